%% @doc The release of examples/release in each way that docs/security.md has to ship it: it serves on a port of the privileged, its helper ends
%% with the one capability that its configuration names, and nobody else may run that helper.
-module(gosocket_shipping_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, suite/0, init_per_suite/1, end_per_suite/1]).
-export([release_with_file_capabilities/1, unit_of_systemd/1, container_image/1]).

-import(gosocket_test_project, [clone/2, write/3, ok/1, run/3]).

-type config() :: [{atom(), term()}].

%% What /proc says of the VM and of its helper, numbers; and how it ended when another user ran the helper.
-type probed() :: #{vm | helper => #{string() => non_neg_integer()}, answer | stranger | exposure => string()}.

%% CAP_NET_BIND_SERVICE of capabilities(7)
-define(LOW, (1 bsl 10)).

-spec suite() -> [ct_suite:ct_info()].
suite() -> [{timetrap, {minutes, 3}}].

-spec all() -> [{group, beside}].
all() -> [{group, beside}].

-spec groups() -> [{beside, [parallel], [atom()]}].
groups() -> [{beside, [parallel], [release_with_file_capabilities, unit_of_systemd, container_image]}].

%% The tarball of the release, built as its users build it.
-spec init_per_suite(config()) -> config() | {skip, string()}.
init_per_suite(Config) ->
    Lacking = [Program || Program <- ["rebar3", "setcap", "setpriv", "useradd", "unshare"], os:find_executable(Program) =:= false],
    case {os:cmd("id -u"), Lacking} of
        {"0\n", []} -> built(gosocket_test_project:origin(Config, "shipped"));
        {"0\n", _} -> {skip, "not in the PATH: " ++ lists:join($\s, Lacking)};
        _ -> {skip, "not root"}
    end.

-spec built(config() | {skip, string()}) -> config() | {skip, string()}.
built({skip, _} = Skip) ->
    Skip;
built(Config) ->
    Clone = clone(Config, filename:join(?config(priv_dir, Config), "clone")),
    Example = filename:join(Clone, "examples/release"),
    _ = clone(Config, filename:join(Example, "_checkouts/gosocket")),
    _ = ok(run(Example, "rebar3", ["tar"])),
    [Tarball] = filelib:wildcard(filename:join(Example, "_build/default/rel/echo/*.tar.gz")),
    [{clone, Clone}, {example, Example}, {tarball, Tarball} | Config].

-spec end_per_suite(config()) -> ok.
end_per_suite(_Config) -> ok.

%% The node has none; without no_new_privs it gains none but for its helper.
-spec release_with_file_capabilities(config()) -> ok.
release_with_file_capabilities(Config) ->
    #{vm := VM} = probed(in_scratch_root([data(Config, "release"), ?config(tarball, Config), ?config(example, Config)], Config)),
    ?assertMatch(#{"CapPrm" := 0, "CapEff" := 0, "CapAmb" := 0, "NoNewPrivs" := 0}, VM).

%% systemd itself runs it, as the first process of a container.
-spec unit_of_systemd(config()) -> ok | {skip, string()}.
unit_of_systemd(Config) ->
    case filelib:is_regular("/lib/systemd/systemd") of
        false ->
            {skip, "no systemd"};
        true ->
            Output = filename:join(?config(priv_dir, Config), "unit"),
            Arguments = [data(Config, "unit"), ?config(tarball, Config), ?config(example, Config), Output],
            Said = in_scratch_root(["--init" | Arguments], Config),
            {ok, Written} = file:read_file(Output),
            Probed = binary_to_list(Written),
            ct:pal("~ts~n~ts", [Said, Probed]),
            ?assertEqual(nomatch, string:find(Probed, "verify ")),
            #{vm := VM, helper := Helper, exposure := Exposure} = probed(Probed),
            ?assertMatch(#{"CapPrm" := ?LOW, "CapAmb" := ?LOW, "CapBnd" := ?LOW, "NoNewPrivs" := 1, "Seccomp" := 2}, VM),
            ?assertMatch(#{"CapBnd" := ?LOW}, Helper),
            ?assert(list_to_float(Exposure) =< 2.0)
    end.

%% The steps of the image's last stage but those that fetch packages, which are those of this machine, and a runtime's limits.
-spec container_image(config()) -> ok.
container_image(Config) ->
    {ok, Containerfile} = file:read_file(filename:join(?config(example, Config), "Containerfile")),
    [_, Last] = string:split(binary_to_list(Containerfile), "\nFROM ", trailing),
    [_ | Steps] = string:lexemes(Last, "\n"),
    Script = ["#!/bin/bash\nset -ex\ncp ", ?config(tarball, Config), " /echo.tar.gz\ncp -r ", ?config(example, Config), " /echo\n",
              [step(string:split(Step, " ")) || Step <- Steps], data(Config, "probe"), $\n],
    ok = write(?config(priv_dir, Config), "image", Script),
    #{vm := VM, helper := Helper} = probed(in_scratch_root(["bash", filename:join(?config(priv_dir, Config), "image")], Config)),
    ?assertMatch(#{"CapPrm" := 0, "CapEff" := 0, "CapAmb" := 0, "CapBnd" := ?LOW}, VM),
    ?assertMatch(#{"CapBnd" := ?LOW}, Helper).

-spec step([string()]) -> iodata().
step(["RUN", "apt-get " ++ _]) -> [];
step(["RUN", Command]) -> [Command, $\n];
step(["COPY", "--from=build " ++ Names]) -> ["cp ", Names, $\n];
step(["USER", User]) -> ["user=", User, $\n];
step(["EXPOSE", "7"]) -> [];
step(["ENTRYPOINT", "[\"" ++ Program]) ->
    ["setpriv --reuid=$user --regid=$user --clear-groups --inh-caps=-all --bounding-set=-all,+net_bind_service "
     "env HOME=/ ", string:trim(Program, trailing, "\"]"), " &\n"].

-spec data(config(), string()) -> file:filename().
data(Config, Name) -> filename:join(?config(data_dir, Config), Name).

-spec in_scratch_root([string()], config()) -> string().
in_scratch_root(Arguments, Config) ->
    case run(?config(priv_dir, Config), filename:join(?config(clone, Config), ".ci/scratch-root"), Arguments) of
        {77, "skipped: " ++ Why} -> throw({skip, string:trim(Why)});
        Result -> ok(Result)
    end.

%% What holds in each way is looked at here.
-spec probed(string()) -> probed().
probed(Said) ->
    ct:pal("~ts", [Said]),
    Words = [string:lexemes(Line, " ") || Line <- string:lexemes(Said, "\n")],
    Probed = maps:from_list([{list_to_atom(Name), Value} || [Name, Value] <- Words, lists:member(Name, ["answer", "stranger", "exposure"])]
                            ++ [{list_to_atom(Name), maps:from_list([field(Field) || Field <- Fields])}
                                || [Name | Fields] <- Words, Name =:= "vm" orelse Name =:= "helper"]),
    ?assertMatch(#{answer := "hello", stranger := "126"}, Probed),
    #{vm := #{"Uid" := User}, helper := #{"Uid" := User} = Helper} = Probed,
    ?assertNotEqual(0, User),
    ?assertMatch(#{"CapPrm" := ?LOW, "CapEff" := ?LOW, "CapInh" := 0, "CapAmb" := 0, "NoNewPrivs" := 1, "Seccomp" := 2}, Helper),
    Probed.

-spec field(string()) -> {string(), non_neg_integer()}.
field(Field) ->
    [Name, Value] = string:split(Field, ":"),
    {Name, list_to_integer(Value, case Name of "Cap" ++ _ -> 16; _ -> 10 end)}.
