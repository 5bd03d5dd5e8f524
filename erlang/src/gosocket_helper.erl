%% @private
%% @doc The helper as an operating system process: where it is, how it is started, why it did not start.
-module(gosocket_helper).

-export([settings/0,
         is_rounds/1,
         start/1,
         hello/1,
         os_pid/1,
         born/2,
         is_there/2,
         see_off/2,
         kill/1,
         log_failure/2]).

-export_type([hello/0]).

-define(PROTOCOL, 0).
-define(HELLO_TIMEOUT, 5000).
-define(KILL_TIMEOUT, 500).

%% Between two looks at a helper that is to end at end of file, and how many there are.
-define(LOOK, 500).
-define(LOOKS, 120).

-type hello() :: #{protocol := 0,
                   pid := pos_integer(),
                   window := pos_integer(),
                   frame_limit := pos_integer(),
                   atom() => term()}.

-include("gosocket_reload.hrl").

%% The settings that are flags of the helper.
-define(FLAGS, [{loops, "-loops"},
                {spin_us, "-spin-us"},
                {log_level, "-log-level"},
                {window, "-window"},
                {send_ahead, "-send-ahead"},
                {parked_limit, "-parked-limit"},
                {socket_limit, "-socket-limit"},
                {waiting_limit, "-waiting-limit"},
                {select_limit, "-select-limit"},
                {unread_limit, "-unread-limit"},
                {received_limit, "-received-limit"},
                {memory_limit, "-memory-limit"}]).

%% Those that it does not get. Callers find one in a word of 64 bits; so many rounds are some hours.
-define(ROUNDS, [lane_spin, caller_spin]).
-define(MOST_ROUNDS, 16#ffffffff).

%% @doc What a lane can have of its own.
-spec settings() -> [atom()].
settings() ->
    [helper, capabilities, allow, system_call_filter, landlock, use_registry, debug, socket_debug]
        ++ ?ROUNDS ++ [Setting || {Setting, _} <- ?FLAGS].

%% @doc Whether this may be `lane_spin' or `caller_spin'.
-spec is_rounds(term()) -> boolean().
is_rounds(Value) -> is_integer(Value) andalso Value >= 0 andalso Value =< ?MOST_ROUNDS.

-spec start(gosocket_configuration:settings()) -> {ok, port()} | {error, atom()}.
start(Settings) ->
    Rounds = [Round || {_, Value} = Round <- maps:to_list(maps:with(?ROUNDS, Settings)), not is_rounds(Value)],
    case {gosocket_configuration:unknown(), Rounds, gosocket_rules:flags(Settings)} of
        {[], [], {ok, Rules}} ->
            launch(Settings, Rules);
        {[_ | _] = Unknown, _, _} ->
            %% a rule whose name is misspelt would be none
            logger:error("gosocket: application variables that are unknown: ~tp", [Unknown]),
            {error, einval};
        {[], [_ | _] = Wrong, _} ->
            logger:error("gosocket: application variables that have to be integers from 0 to ~b: ~tp", [?MOST_ROUNDS, Wrong]),
            {error, einval};
        {[], [], {error, Wrong}} ->
            logger:error("gosocket: application variables that are no rules for a helper: ~tp", [Wrong]),
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
                  || {Setting, Flag} <- ?FLAGS, is_map_key(Setting, Settings)]).

%% @doc The first frame, from a helper that speaks our protocol.
-spec hello(port()) -> {ok, hello()} | {error, atom()}.
hello(Port) ->
    receive
        {Port, {data, Frame}} -> check_hello(Frame);
        {Port, {exit_status, Status}} -> {error, posix(Status)};
        {'EXIT', Port, _} -> exit_status(Port)
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

%% @doc When it was started, as the kernel counts: a process of the same number that was started at another time is another one.
%% Where another program has started it, its number may be one of another namespace, of which nothing is known here.
-spec born(OsPid :: pos_integer(), port()) -> binary() | none.
born(OsPid, Port) ->
    case os_pid(Port) of
        OsPid -> element(2, stat(OsPid));
        _ -> none
    end.

-spec is_there(OsPid :: pos_integer(), Born :: binary()) -> boolean().
is_there(OsPid, Born) ->
    element(2, stat(OsPid)) =:= Born.

%% @doc After an orderly end of its lane, the input of the helper at end of file: waits for its end. It does what it was told
%% before it sees that. One that is stopped sees nothing, and keeps its sockets: it is killed, and so is one that has
%% not ended after a minute.
-spec see_off(OsPid :: pos_integer(), Born :: binary()) -> ok.
see_off(OsPid, Born) ->
    see_off(OsPid, Born, running, ?LOOKS).

-spec see_off(pos_integer(), binary(), Before :: running | stopped, Looks :: non_neg_integer()) -> ok.
see_off(OsPid, Born, Before, Looks) ->
    receive after ?LOOK -> ok end,
    case stat(OsPid) of
        {running, Born} when Looks > 0 -> see_off(OsPid, Born, running, Looks - 1);
        {stopped, Born} when Looks > 0, Before =:= running -> see_off(OsPid, Born, stopped, Looks - 1);
        {_, Born} -> kill(OsPid);
        _ -> ok
    end.

%% Fields 3 and 22 (proc(5)). Not through the file server, which is not there any more when a node ends.
-spec stat(OsPid :: pos_integer()) -> {running | stopped, Born :: binary()} | {dead, none}.
stat(OsPid) ->
    case file:open("/proc/" ++ integer_to_list(OsPid) ++ "/stat", [read, raw, binary]) of
        {ok, File} ->
            Read = file:read(File, 1024),
            _ = file:close(File),
            stat_line(Read);
        {error, _} ->
            {dead, none}
    end.

-spec stat_line({ok, binary()} | eof | {error, term()}) -> {running | stopped, Born :: binary()} | {dead, none}.
stat_line({ok, Line}) ->
    [_, Fields] = string:split(Line, ") ", trailing),
    [State | Others] = binary:split(Fields, <<" ">>, [global]),
    case State of
        <<"T">> -> {stopped, lists:nth(19, Others)};
        <<"Z">> -> {dead, none};
        <<"X">> -> {dead, none};
        _ -> {running, lists:nth(19, Others)}
    end;
stat_line(_) ->
    {dead, none}.

%% @doc Ends a helper that may not end at end of file, because it is stopped or is no helper. SIGKILL
%% works in any case; the VM has no call for it.
-spec kill(OsPid :: pos_integer() | undefined) -> ok.
kill(undefined) ->
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

-spec log_failure(Posix :: atom(), gosocket_configuration:settings()) -> ok.
log_failure(Posix, Settings) ->
    logger:error("gosocket: the helper ~ts does not start: ~tp", [path(Settings), Posix]).

%% What execve(2) fails with is the exit status of the process that was to become the helper.
-spec posix(Status :: non_neg_integer()) -> atom().
posix(Status) ->
    maps:get(Status,
             #{1 => eperm, 2 => enoent, 5 => eio, 7 => e2big, 8 => enoexec, 11 => eagain,
               12 => enomem, 13 => eacces, 14 => efault, 20 => enotdir, 21 => eisdir, 22 => einval,
               23 => enfile, 24 => emfile, 26 => etxtbsy, 36 => enametoolong, 40 => eloop,
               80 => elibbad},
             eproto).
