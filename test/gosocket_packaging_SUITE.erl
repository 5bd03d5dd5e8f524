%% @doc Does it work as somebody's dependency? Scratch projects depend on a clone of this repository in each way
%% that users have, build, and move data through a socket in a VM of their own.
-module(gosocket_packaging_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).

-export([works_as_git_dependency_of_rebar3/1,
         works_as_checkout_of_rebar3/1,
         works_in_a_release/1,
         works_as_git_dependency_of_mix/1,
         compiles_off_linux_with_a_warning/1,
         current_helper_is_not_built_again/1,
         changed_source_builds_the_helper_again/1,
         missing_go_is_named_with_the_way_out/1,
         prebuilt_helper_needs_no_go/1]).

-import(gosocket_test_project, [clone/2, write/3, ok/1, run/3, run/4]).

-type config() :: [{atom(), term()}].

-define(BRANCH, "packaged").

-spec suite() -> [ct_suite:ct_info()].
suite() -> [{timetrap, {minutes, 5}}].

-spec all() -> [{group, beside}].
all() -> [{group, beside}].

-spec groups() -> [{beside, [parallel], [atom()]}].
groups() -> [{beside, [parallel], cases()}].

-spec cases() -> [atom()].
cases() ->
    [works_as_git_dependency_of_rebar3,
     works_as_checkout_of_rebar3,
     works_in_a_release,
     works_as_git_dependency_of_mix,
     compiles_off_linux_with_a_warning,
     current_helper_is_not_built_again,
     changed_source_builds_the_helper_again,
     missing_go_is_named_with_the_way_out,
     prebuilt_helper_needs_no_go].

-spec init_per_suite(config()) -> config() | {skip, string()}.
init_per_suite(Config) -> gosocket_test_project:origin(Config, ?BRANCH).

-spec end_per_suite(config()) -> ok.
end_per_suite(_Config) -> ok.

-spec init_per_testcase(atom(), config()) -> config() | {skip, string()}.
init_per_testcase(Case, Config) ->
    Missing = [Program || Program <- programs(Case), os:find_executable(Program) =:= false],
    Dir = filename:join(?config(priv_dir, Config), atom_to_list(Case)),
    ok = filelib:ensure_dir(filename:join(Dir, "x")),
    case Missing of
        [] -> [{dir, Dir} | Config];
        _ -> {skip, "not in the PATH: " ++ lists:join($\s, Missing)}
    end.

-spec end_per_testcase(atom(), config()) -> ok.
end_per_testcase(_Case, _Config) -> ok.

-spec programs(atom()) -> [string()].
programs(works_as_git_dependency_of_rebar3) -> ["rebar3"];
programs(works_as_checkout_of_rebar3) -> ["rebar3"];
programs(compiles_off_linux_with_a_warning) -> ["rebar3"];
programs(works_in_a_release) -> ["rebar3"];
programs(works_as_git_dependency_of_mix) -> ["mix", "rebar3"];
programs(_) -> ["make"].

-spec works_as_git_dependency_of_rebar3(config()) -> ok.
works_as_git_dependency_of_rebar3(Config) ->
    Dir = ?config(dir, Config),
    rebar3_project(Dir, [{deps, [{gosocket, {git, ?config(origin, Config), {branch, ?BRANCH}}}]}]),
    _ = ok(run(Dir, "rebar3", ["compile"])),
    moves_data(run(Dir, "erl", ["-noshell", "-pa" | ebins(Dir)] ++ ["-s", "scratch", "main"]), Dir).

-spec works_as_checkout_of_rebar3(config()) -> ok.
works_as_checkout_of_rebar3(Config) ->
    Dir = ?config(dir, Config),
    rebar3_project(Dir, [{deps, [gosocket]}]),
    clone(Config, filename:join([Dir, "_checkouts", "gosocket"])),
    _ = ok(run(Dir, "rebar3", ["compile"])),
    moves_data(run(Dir, "erl", ["-noshell", "-pa" | ebins(Dir)] ++ ["-s", "scratch", "main"]), Dir).

%% A copy, not links into the build: the helper goes along, and is executable.
-spec works_in_a_release(config()) -> ok.
works_in_a_release(Config) ->
    Dir = ?config(dir, Config),
    rebar3_project(Dir, [{deps, [{gosocket, {git, ?config(origin, Config), {branch, ?BRANCH}}}]},
                         {relx, [{release, {scratch, "1.0.0"}, [scratch]}, {mode, prod}]}]),
    _ = ok(run(Dir, "rebar3", ["tar"])),
    [Tar] = filelib:wildcard(filename:join(Dir, "_build/default/rel/scratch/*.tar.gz")),
    Release = filename:join(Dir, "unpacked"),
    ok = erl_tar:extract(Tar, [compressed, {cwd, Release}]),
    [Boot] = filelib:wildcard(filename:join(Release, "releases/1.0.0/start.boot")),
    [Bin] = filelib:wildcard(filename:join(Release, "erts-*/bin")),
    %% As start scripts do: the `erl' beside it may have the folder in it where its package was installed.
    moves_data(run(Release, filename:join(Bin, "erlexec"),
                   ["-noshell", "-boot", filename:rootname(Boot), "-s", "scratch", "main"],
                   [{"ROOTDIR", Release}, {"BINDIR", Bin}, {"EMU", "beam"}, {"PROGNAME", "erl"}]), Release).

%% Mix would download a rebar3 of its own.
-spec works_as_git_dependency_of_mix(config()) -> ok.
works_as_git_dependency_of_mix(Config) ->
    Dir = ?config(dir, Config),
    write(Dir, "mix.exs", mix_exs(?config(origin, Config))),
    write(Dir, "lib/scratch.ex", scratch_ex()),
    Env = [{"MIX_REBAR3", os:find_executable("rebar3")}, {"MIX_ENV", "dev"}],
    _ = ok(run(Dir, "mix", ["deps.get"], Env)),
    moves_data(run(Dir, "mix", ["run", "-e", "Scratch.main()"], Env), Dir).

%% Programs in front of the real ones say that this is another system, and that Go is not installed.
-spec compiles_off_linux_with_a_warning(config()) -> ok.
compiles_off_linux_with_a_warning(Config) ->
    lists:foreach(fun(System) ->
                          Dir = filename:join(?config(dir, Config), System),
                          rebar3_project(Dir, [{deps, [{gosocket, {git, ?config(origin, Config), {branch, ?BRANCH}}}]}]),
                          Bin = filename:join(Dir, "bin"),
                          program(Bin, "uname", "echo " ++ System),
                          program(Bin, "go", "exit 127"),
                          Output = ok(run(Dir, "rebar3", ["compile"], [{"PATH", Bin ++ ":" ++ os:getenv("PATH")}])),
                          ?assertMatch({match, _}, re:run(Output, "warning: no helper is built.* " ++ System)),
                          ?assertEqual([], filelib:wildcard(Dir ++ "/_build/default/lib/gosocket/priv/*")),
                          ?assertMatch([_ | _], filelib:wildcard(Dir ++ "/_build/default/lib/gosocket/ebin/gosocket.beam"))
                  end, ["Darwin", "FreeBSD"]).

-spec program(file:filename(), string(), string()) -> ok.
program(Dir, Name, Command) ->
    write(Dir, Name, ["#!/bin/sh\n", Command, "\n"]),
    ok = file:change_mode(filename:join(Dir, Name), 8#755).

-spec current_helper_is_not_built_again(config()) -> ok.
current_helper_is_not_built_again(Config) ->
    Dir = clone(Config, filename:join(?config(dir, Config), "gosocket")),
    _ = ok(run(Dir, "make", ["helper"])),
    ?assertEqual({0, ""}, run(Dir, "make", ["helper", "GO=no-such-go"])).

-spec changed_source_builds_the_helper_again(config()) -> ok.
changed_source_builds_the_helper_again(Config) ->
    Dir = clone(Config, filename:join(?config(dir, Config), "gosocket")),
    _ = ok(run(Dir, "make", ["helper"])),
    Main = filename:join(Dir, "cmd/gosocket/main.go"),
    {ok, Source} = file:read_file(Main),
    ok = file:write_file(Main, [Source, "\nthis is not Go\n"]),
    %% a file system's clock may tick in whole seconds
    ok = file:change_time(Main, calendar:gregorian_seconds_to_datetime(
                                  calendar:datetime_to_gregorian_seconds(calendar:local_time()) + 5)),
    {ok, Before} = file:read_file(filename:join(Dir, "priv/gosocket")),
    {Status, _} = run(Dir, "make", ["helper"]),
    ?assertNotEqual(0, Status),
    ?assertEqual({ok, Before}, file:read_file(filename:join(Dir, "priv/gosocket"))),
    ok = file:write_file(Main, [Source, "\nvar _ = \"another helper\"\n"]),
    ?assertMatch({0, "gosocket: built" ++ _}, run(Dir, "make", ["helper"])).

-spec missing_go_is_named_with_the_way_out(config()) -> ok.
missing_go_is_named_with_the_way_out(Config) ->
    Dir = clone(Config, filename:join(?config(dir, Config), "gosocket")),
    {Status, Output} = run(Dir, "make", ["helper", "GO=no-such-go"]),
    ?assertNotEqual(0, Status),
    lists:foreach(fun(Word) -> ?assertNotEqual({Word, nomatch}, {Word, string:find(Output, Word)}) end,
                  ["no-such-go", "Install Go", "GOSOCKET_HELPER"]).

-spec prebuilt_helper_needs_no_go(config()) -> ok.
prebuilt_helper_needs_no_go(Config) ->
    Dir = clone(Config, filename:join(?config(dir, Config), "gosocket")),
    ?assertEqual({0, ""}, run(Dir, "make", ["helper", "GO=no-such-go"], [{"GOSOCKET_HELPER", "/opt/gosocket"}])),
    ?assertNot(filelib:is_file(filename:join(Dir, "priv/gosocket"))).

%% ---- scratch projects ----

%% The scratch program says what it received, and where its helper is.
-spec moves_data(gosocket_test_project:result(), Below :: file:filename()) -> ok.
moves_data({Status, Output}, Below) ->
    ct:pal("~ts", [Output]),
    ?assertEqual(0, Status),
    {match, [Data, Priv]} = re:run(Output, "^received (\\S+) through (\\S+)$",
                                   [multiline, {capture, all_but_first, list}]),
    ?assertEqual("data", Data),
    ?assertEqual(Below, string:slice(Priv, 0, length(Below))).

-spec rebar3_project(file:filename(), [term()]) -> ok.
rebar3_project(Dir, Terms) ->
    write(Dir, "rebar.config", [io_lib:format("~p.~n", [Term]) || Term <- Terms]),
    write(Dir, "src/scratch.app.src",
          "{application, scratch, [{description, \"\"}, {vsn, \"1.0.0\"}, {registered, []},"
          " {applications, [kernel, stdlib, gosocket]}, {modules, []}]}.\n"),
    write(Dir, "src/scratch.erl", scratch_erl()).

-spec scratch_erl() -> iodata().
scratch_erl() ->
    "-module(scratch).\n"
    "-export([main/0]).\n"
    "main() ->\n"
    "    {ok, L} = gosocket:open(inet, stream, tcp),\n"
    "    {ok, Port} = gosocket:bind(L, #{family => inet, addr => loopback, port => 0}),\n"
    "    ok = gosocket:listen(L),\n"
    "    {ok, C} = gosocket:open(inet, stream, tcp),\n"
    "    ok = gosocket:connect(C, #{family => inet, addr => loopback, port => Port}, 5000),\n"
    "    {ok, S} = gosocket:accept(L, 5000),\n"
    "    ok = gosocket:send(C, <<\"data\">>),\n"
    "    {ok, Data} = gosocket:recv(S, 4, 5000),\n"
    "    io:format(\"received ~s through ~ts~n\", [Data, filename:absname(code:priv_dir(gosocket))]),\n"
    "    halt().\n".

-spec mix_exs(Origin :: string()) -> iodata().
mix_exs(Origin) ->
    ["defmodule Scratch.MixProject do\n"
     "  use Mix.Project\n"
     "  def project, do: [app: :scratch, version: \"1.0.0\", deps: deps()]\n"
     "  def application, do: []\n"
     "  defp deps, do: [{:gosocket, git: \"", Origin, "\", branch: \"", ?BRANCH, "\"}]\n"
     "end\n"].

-spec scratch_ex() -> iodata().
scratch_ex() ->
    "defmodule Scratch do\n"
    "  def main do\n"
    "    {:ok, a} = :gosocket.open(:inet, :dgram, :udp)\n"
    "    {:ok, port} = :gosocket.bind(a, %{family: :inet, addr: :loopback, port: 0})\n"
    "    {:ok, b} = :gosocket.open(:inet, :dgram, :udp)\n"
    "    :ok = :gosocket.sendto(b, \"data\", %{family: :inet, addr: :loopback, port: port})\n"
    "    {:ok, {_from, data}} = :gosocket.recvfrom(a, 0, 5000)\n"
    "    IO.puts(\"received #{data} through #{Path.expand(:code.priv_dir(:gosocket))}\")\n"
    "  end\n"
    "end\n".

-spec ebins(file:filename()) -> [file:filename()].
ebins(Dir) ->
    filelib:wildcard(filename:join(Dir, "_build/default/{lib,checkouts}/*/ebin")).
