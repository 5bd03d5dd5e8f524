%% @private
%% @doc The helper as an operating system process: where it is, how it is started, why it did not start.
-module(gosocket_helper).

-export([start/2,
         hello/2,
         os_pid/1,
         process/2,
         program/1,
         is_there/1,
         see_off/1,
         kill/1,
         errno/1,
         log_failure/3,
         log_wrong/2]).

-export_type([hello/0, process/0]).

-define(PROTOCOL, 0).
-define(HELLO_TIMEOUT, 5000).
-define(KILL_TIMEOUT, 500).

%% Between two looks at a helper that is to end at end of file, and how many there are.
-define(LOOK, 500).
-define(LOOKS, 120).

-type process() :: {OsPid :: pos_integer(), Born :: binary()}.
-type hello() :: #{protocol := 0,
                   pid := pos_integer(),
                   window := pos_integer(),
                   frame_limit := pos_integer(),
                   atom() => term()}.

-include("gosocket_reload.hrl").

%% @doc For the lane of this name.
-spec start(gosocket_lanes:name() | '', gosocket_configuration:settings()) -> {ok, port()} | {error, atom()}.
start(Name, Settings) ->
    case gosocket_configuration:wrong(Settings) of
        [] ->
            {ok, Rules} = gosocket_rules:flags(Settings),
            launch(Settings, Rules);
        Wrong ->
            log_wrong(Name, Wrong),
            {error, einval}
    end.

-spec launch(gosocket_configuration:settings(), Rules :: [string() | binary()]) -> {ok, port()} | {error, atom()}.
launch(Settings, Rules) ->
    BusyLimits = gosocket_outbox:busy_limits(),
    try
        open_port({spawn_executable, path(Settings)},
                  [{packet, 4}, binary, exit_status, use_stdio, hide, {args, args(Settings) ++ Rules},
                   {busy_limits_port, BusyLimits}, {busy_limits_msgq, BusyLimits}])
    of
        Port -> {ok, Port}
    catch
        error:badarg -> {error, einval};
        error:system_limit -> {error, emfile};
        error:Posix -> {error, Posix}
    end.

-spec path(gosocket_configuration:settings()) -> file:filename_all().
path(#{helper := Path}) -> Path;
path(_) -> filename:join(priv_dir(), "gosocket").

%% Modules may be in the path without their application's directory having its usual name.
-spec priv_dir() -> file:filename_all().
priv_dir() ->
    case code:priv_dir(gosocket) of
        {error, bad_name} ->
            Ebin = filename:dirname(filename:absname(code:which(?MODULE))),
            filename:join(filename:dirname(Ebin), "priv");
        Dir ->
            Dir
    end.

-spec args(gosocket_configuration:settings()) -> [string()].
args(Settings) ->
    lists:append([[Flag, lists:flatten(io_lib:format("~tp", [maps:get(Setting, Settings)]))]
                  || {Setting, Flag} <- gosocket_schema:flags(), is_map_key(Setting, Settings)]).

%% @doc The first frame, from a helper that speaks our protocol. The lane may be told to end before it comes. `usage' is what ends a helper
%% that does not understand its flags.
-spec hello(Parent :: pid(), port()) -> {ok, hello()} | {error, atom()} | {ended, Reason :: term()}.
hello(Parent, Port) ->
    receive
        {Port, {data, Frame}} -> check_hello(Frame);
        {Port, {exit_status, Status}} -> {error, posix(Status)};
        {'EXIT', Port, _} -> exit_status(Port);
        {'EXIT', Pid, Reason} when Pid =:= Parent; Reason =:= shutdown -> {ended, Reason}
    after ?HELLO_TIMEOUT ->
        {error, etimedout}
    end.

%% The status may come after the exit of the port, or never.
-spec exit_status(port()) -> {error, atom()}.
exit_status(Port) ->
    receive
        {Port, {exit_status, Status}} -> {error, posix(Status)}
    after 0 ->
        {error, eproto}
    end.

-spec check_hello(binary()) -> {ok, hello()} | {error, eproto}.
check_hello(Frame) ->
    try binary_to_term(Frame) of
        {hello, #{protocol := ?PROTOCOL, pid := _, window := _, frame_limit := _} = Hello} -> {ok, Hello};
        _ -> {error, eproto}
    catch
        error:badarg -> {error, eproto}
    end.

-spec os_pid(port()) -> pos_integer() | undefined.
os_pid(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, Pid} -> Pid;
        undefined -> undefined
    end.

%% @doc The helper that has said hello with this number, as a process of which it is known when it was started: one of the same number
%% that was started at another time is another one. Where another program has started it, its number may be one of another
%% namespace, and of somebody else here: then the process is that of this program.
-spec process(OsPid :: pos_integer(), port()) -> process() | none.
process(OsPid, Port) ->
    case os_pid(Port) of
        undefined -> none;
        Started -> process(OsPid, OsPid, Started)
    end.

%% @doc What the VM has started, whatever it becomes.
-spec program(port()) -> process() | none.
program(Port) ->
    case os_pid(Port) of
        undefined -> none;
        Started -> process(Started, Started, Started)
    end.

-spec process(pos_integer(), Ancestor :: non_neg_integer(), Started :: pos_integer()) -> process() | none.
process(OsPid, Started, Started) ->
    case stat(OsPid) of
        {dead, _, _} -> none;
        {_, Born, _} -> {OsPid, Born}
    end;
process(OsPid, Ancestor, Started) ->
    case stat(Ancestor) of
        {_, _, Parent} when Parent > 1 -> process(OsPid, Parent, Started);
        _ -> process(Started, Started, Started)
    end.

-spec is_there(process()) -> boolean().
is_there({OsPid, Born}) ->
    element(2, stat(OsPid)) =:= Born.

%% @doc After an orderly end of its lane, the input of the helper at end of file: waits for its end. It does what it was told
%% before it sees that. One that is stopped sees nothing, and keeps its sockets: it is killed, and so is one that has
%% not ended after a minute.
-spec see_off(process()) -> ok.
see_off(Process) ->
    see_off(Process, running, ?LOOKS).

-spec see_off(process(), Before :: running | stopped, Looks :: non_neg_integer()) -> ok.
see_off({OsPid, Born} = Process, Before, Looks) ->
    receive after ?LOOK -> ok end,
    case stat(OsPid) of
        {running, Born, _} when Looks > 0 -> see_off(Process, running, Looks - 1);
        {stopped, Born, _} when Looks > 0, Before =:= running -> see_off(Process, stopped, Looks - 1);
        {_, Born, _} -> kill(OsPid);
        _ -> ok
    end.

-type stat() :: {running | stopped, Born :: binary(), Parent :: non_neg_integer()} | {dead, none, 0}.

%% Fields 3, 4 and 22 (proc(5)). Not through the file server, which is not there any more when a node ends.
-spec stat(OsPid :: non_neg_integer()) -> stat().
stat(OsPid) ->
    case file:open("/proc/" ++ integer_to_list(OsPid) ++ "/stat", [read, raw, binary]) of
        {ok, File} ->
            Read = file:read(File, 1024),
            _ = file:close(File),
            stat_line(Read);
        {error, _} ->
            {dead, none, 0}
    end.

-spec stat_line({ok, binary()} | eof | {error, term()}) -> stat().
stat_line({ok, Line}) ->
    [_, Fields] = string:split(Line, ") ", trailing),
    [State, Parent | Others] = binary:split(Fields, <<" ">>, [global]),
    case State of
        <<"Z">> -> {dead, none, 0};
        <<"X">> -> {dead, none, 0};
        _ -> {case State of <<"T">> -> stopped; _ -> running end, lists:nth(18, Others), binary_to_integer(Parent)}
    end;
stat_line(_) ->
    {dead, none, 0}.

%% @doc Ends a helper that may not end at end of file, because it is stopped or is no helper. SIGKILL
%% works in any case; the VM has no call for it.
-spec kill(process() | none | OsPid :: pos_integer() | undefined) -> ok.
kill({OsPid, _} = Process) ->
    case is_there(Process) of
        true -> kill(OsPid);
        false -> ok
    end;
kill(Nobody) when Nobody =:= none; Nobody =:= undefined ->
    ok;
kill(OsPid) ->
    Pid = integer_to_list(OsPid),
    case os:find_executable("kill") of
        false ->
            _ = os:cmd("kill -9 " ++ Pid),
            ok;
        Kill ->
            Port = open_port({spawn_executable, Kill},
                             [exit_status, stderr_to_stdout, {args, ["-9", Pid]}]),
            receive
                {Port, {exit_status, _}} -> ok
            after ?KILL_TIMEOUT ->
                ok
            end
    end.

%% @doc What callers are told.
-spec errno(atom()) -> atom().
errno(usage) -> einval;
errno(Posix) -> Posix.

-spec log_failure(gosocket_lanes:name() | '', Posix :: atom(), gosocket_configuration:settings()) -> ok.
log_failure(Name, Posix, Settings) ->
    logger:error("gosocket: lane ~tp: the helper ~tp does not start: ~tp", [Name, path(Settings), Posix]).

%% @doc Settings of a lane that cannot be understood.
-spec log_wrong(gosocket_lanes:name() | '', [gosocket_schema:wrong()]) -> ok.
log_wrong(Name, Wrong) ->
    lists:foreach(fun({Setting, Value, Allowed}) ->
                          logger:error("gosocket: lane ~tp: ~tp: ~0tP ~ts", [Name, Setting, Value, 20, Allowed])
                  end, Wrong).

%% What execve(2) fails with is the exit status of the process that was to become the helper.
-spec posix(Status :: non_neg_integer()) -> atom().
posix(Status) ->
    maps:get(Status,
             #{1 => eperm, 2 => enoent, 5 => eio, 7 => e2big, 8 => enoexec, 11 => eagain,
               12 => enomem, 13 => eacces, 14 => efault, 20 => enotdir, 21 => eisdir, 22 => einval,
               23 => enfile, 24 => emfile, 26 => etxtbsy, 36 => enametoolong, 40 => eloop,
               64 => usage, 80 => elibbad},
             eproto).
