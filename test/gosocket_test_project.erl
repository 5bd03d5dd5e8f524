%% Projects that depend on a clone of this repository, and the commands that build them.
-module(gosocket_test_project).

-include_lib("common_test/include/ct.hrl").

-export([origin/2, clone/2, write/3, ok/1, run/3, run/4]).

-type config() :: [{atom(), term()}].
-type result() :: {ExitStatus :: non_neg_integer(), Output :: string()}.

-export_type([result/0]).

%% The dependencies' source is a clone with what is committed, whatever branch or none is checked out here.
-spec origin(config(), Branch :: string()) -> config() | {skip, string()}.
origin(Config, Branch) ->
    Priv = ?config(priv_dir, Config),
    case {os:find_executable("git"), os:find_executable("go")} of
        {Git, Go} when Git =:= false; Go =:= false ->
            {skip, "git or go is not in the PATH"};
        _ ->
            case run(Priv, "git", ["rev-parse", "--show-toplevel"]) of
                {0, Top} ->
                    Origin = filename:join(Priv, "origin-" ++ Branch),
                    _ = ok(run(Priv, "git", ["clone", "-q", "file://" ++ string:trim(Top), Origin])),
                    _ = ok(run(Origin, "git", ["branch", "-q", "-f", Branch])),
                    [{origin, "file://" ++ Origin} | Config];
                {_, Output} ->
                    {skip, "not in a git repository: " ++ Output}
            end
    end.

-spec clone(config(), file:filename()) -> file:filename().
clone(Config, Dir) ->
    ok = filelib:ensure_dir(Dir),
    _ = ok(run(?config(priv_dir, Config), "git", ["clone", "-q", ?config(origin, Config), Dir])),
    Dir.

-spec write(file:filename(), file:filename(), iodata()) -> ok.
write(Dir, Name, Content) ->
    Path = filename:join(Dir, Name),
    ok = filelib:ensure_dir(Path),
    ok = file:write_file(Path, Content).

%% ---- commands ----

-spec ok(result()) -> string().
ok({0, Output}) -> Output;
ok({Status, Output}) -> ct:fail("exit status ~b~n~ts", [Status, Output]).

-spec run(file:filename(), string(), [string()]) -> result().
run(Dir, Program, Args) -> run(Dir, Program, Args, []).

%% In the environment of a user: without what rebar3 and make set for this test run.
-spec run(file:filename(), string(), [string()], [{string(), string() | false}]) -> result().
run(Dir, Program, Args, Env) ->
    Foreign = [{Name, false} || Name <- ["GOSOCKET_HELPER", "REBAR_PROFILE", "REBAR_CONFIG", "ERL_LIBS", "ERL_FLAGS",
                                         "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"]],
    %% Who builds gives way to who measures.
    Path = case filename:pathtype(Program) of
               absolute -> Program;
               _ -> os:find_executable(Program)
           end,
    Port = open_port({spawn_executable, os:find_executable("nice")},
                     [{cd, Dir}, {args, ["-n", "5", Path | Args]}, {env, lists:ukeymerge(1, lists:sort(Env), lists:sort(Foreign))},
                      exit_status, stderr_to_stdout, in, hide]),
    collect(Port, []).

-spec collect(port(), [string()]) -> result().
collect(Port, Output) ->
    receive
        {Port, {data, More}} -> collect(Port, [More | Output]);
        {Port, {exit_status, Status}} -> {Status, lists:append(lists:reverse(Output))}
    end.
