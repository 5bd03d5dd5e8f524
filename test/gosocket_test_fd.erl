%% Descriptors of the helper and of the VM, as /proc shows them, and helpers that may not reach into the VM.
-module(gosocket_test_fd).

-include("gosocket_test.hrl").

%% descriptors
-export([helper/0, vm/0, target/2, holders/2, await_holders/3, fd/1]).
%% messages that carry them
-export([rights/1, pass/2, pass/3, received/1, carried/1]).
%% ways from the VM to the helper
-export([ways/1, in_way/3, script/2]).
%% other helpers
-export([with_helper/2, write_script/3]).

-type way() :: pidfd | behind_a_wrapper | other_user.
-type socket() :: gosocket_test_lib:socket().

-export_type([way/0]).

%% ---- descriptors ----

%% The process itself, whatever the lane started it through.
-spec helper() -> string().
helper() ->
    #{helper := OsPid} = gosocket_lanes:info(default),
    integer_to_list(OsPid).

-spec vm() -> string().
vm() ->
    os:getpid().

%% What a descriptor of the process leads to, whichever number it has: "socket:[1234]".
-spec target(OsPid :: string(), integer()) -> string().
target(OsPid, FD) ->
    {ok, Target} = file:read_link(lists:concat(["/proc/", OsPid, "/fd/", FD])),
    Target.

%% How many descriptors of the process lead there.
-spec holders(OsPid :: string(), string()) -> non_neg_integer().
holders(OsPid, Target) ->
    Directory = "/proc/" ++ OsPid ++ "/fd/",
    {ok, Names} = file:list_dir(Directory),
    length([Name || Name <- Names, file:read_link(Directory ++ Name) =:= {ok, Target}]).

-spec await_holders(OsPid :: string(), string(), non_neg_integer()) -> ok.
await_holders(OsPid, Target, N) ->
    gosocket_test_lib:wait_until(fun() -> holders(OsPid, Target) =:= N end).

-spec fd(socket()) -> integer().
fd(Socket) ->
    {ok, FD} = ?S:getopt(Socket, otp, fd),
    FD.

%% ---- messages that carry them ----

-spec rights([integer()]) -> map().
rights(FDs) ->
    #{level => socket, type => rights, data => << <<FD:32/native>> || FD <- FDs >>}.

-spec pass(socket(), [integer()]) -> ok | {error, term()}.
pass(Socket, FDs) ->
    pass(Socket, <<"data">>, FDs).

-spec pass(socket(), binary(), [integer()]) -> ok | {error, term()}.
pass(Socket, Data, FDs) ->
    ?S:sendmsg(Socket, #{iov => [Data], ctrl => [rights(FDs)]}).

-spec received(socket()) -> [integer()].
received(Socket) ->
    {ok, MsgHdr} = ?S:recvmsg(Socket, ?PATIENCE),
    carried(MsgHdr).

-spec carried(map()) -> [integer()].
carried(#{ctrl := [#{level := socket, type := rights, data := Data}]}) ->
    0 = byte_size(Data) rem 4,
    [FD || <<FD:32/native-signed>> <= Data].

%% ---- ways from the VM to the helper ----

%% By pidfd_getfd(2) if the system lets the helper. It never lets a process of another user, and the helper itself reaches no
%% further than to the node that is its forker's parent. What is there is run once: a machine may lack setpriv(1), or the other
%% user may not get at the helper.
-spec ways(config()) -> [way()].
ways(Config) ->
    [Way || Way <- [pidfd, behind_a_wrapper, other_user], is_possible(Way, Config)].

-spec is_possible(way(), config()) -> boolean().
is_possible(other_user, Config) ->
    Possible = os:cmd("id -u") =:= "0\n" andalso starts(script(other_user, Config)),
    Possible orelse ct:pal("no helper of another user here"),
    Possible;
is_possible(_, _) ->
    true.

-spec starts(file:filename()) -> boolean().
starts(Script) ->
    Port = open_port({spawn_executable, Script}, [{args, ["-version"]}, exit_status, stderr_to_stdout]),
    receive {Port, {exit_status, Status}} -> Status =:= 0 after ?PATIENCE -> false end.

%% The application starts anew with this way, and without it afterwards.
-spec in_way(way(), config(), fun(() -> Result)) -> Result.
in_way(Way, Config, Fun) ->
    {module, gosocket_rights} = code:ensure_loaded(gosocket_rights),
    with_helper(script(Way, Config), fun() ->
        _ = erlang:trace_pattern({gosocket_rights, send, 3}, true, [call_count]),
        try
            Result = Fun(),
            {call_count, Sent} = erlang:trace_info({gosocket_rights, send, 3}, call_count),
            check(Way, Sent),
            Result
        after
            erlang:trace_pattern({gosocket_rights, send, 3}, false, [call_count])
        end
    end).

%% Was it really this way?
-spec check(way(), non_neg_integer()) -> ok.
check(pidfd, 0) -> ok;
check(pidfd, _) -> ct:pal("this system does not let the helper take descriptors of the VM");
check(Way, Sent) -> ?assert({Way, Sent} > {Way, 0}).

%% The application runs with this helper meanwhile.
-spec with_helper(file:filename(), fun(() -> Result)) -> Result.
with_helper(Helper, Fun) ->
    Before = os:getenv("GOSOCKET_HELPER"),
    restart(Helper),
    try
        Fun()
    after
        restart(Before)
    end.

-spec restart(file:filename() | false) -> ok.
restart(Helper) ->
    _ = application:stop(gosocket),
    true = case Helper of
               false -> os:unsetenv("GOSOCKET_HELPER");
               _ -> os:putenv("GOSOCKET_HELPER", Helper)
           end,
    {ok, Socket} = ?S:open(inet, dgram),
    ok = ?S:close(Socket).

-spec script(way(), config()) -> file:filename().
script(pidfd, _) ->
    gosocket_test_bare:path();
script(Way, Config) ->
    write_script(atom_to_list(Way), command(Way), Config).

%% A helper that is run by this command.
-spec write_script(string(), string(), config()) -> file:filename().
write_script(Name, Command, Config) ->
    Path = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = file:write_file(Path, ["#!/bin/sh\n", Command, " '", filename:absname(gosocket_test_bare:path()), "' \"$@\"\n",
                                "exit $?\n"]),
    ok = file:change_mode(Path, 8#755),
    Path.

-spec command(way()) -> string().
command(behind_a_wrapper) -> "";
command(other_user) -> "exec setpriv --reuid=65534 --regid=65534 --clear-groups".
