%% @doc The machine under the benchmark: what it is, what it was busy with, what a measurement cost it.
-module(bench_machine).

-export([describe/0,
         load_average/0,
         cpu_time/0,
         children/1,
         start_load/1,
         stop_load/1]).

-export_type([load/0]).

-type load() :: idle | busy.

%% Of /proc/PID/stat; 100 on every Linux that the VM runs on.
-define(TICKS_PER_SECOND, 100).

-spec describe() -> iolist().
describe() ->
    io_lib:format("OTP ~s, erts ~s, ~s; Linux ~s; ~b processors online, ~b schedulers; load average ~s~n",
                  [erlang:system_info(otp_release), erlang:system_info(version),
                   erlang:system_info(system_architecture),
                   string:trim(read("/proc/sys/kernel/osrelease")),
                   erlang:system_info(logical_processors_available),
                   erlang:system_info(schedulers_online), load_average()]).

-spec load_average() -> string().
load_average() ->
    lists:join($\s, lists:sublist(string:lexemes(read("/proc/loadavg"), " "), 3)).

%% @doc Seconds of processor time of this VM and of all processes below it: the helper is one.
-spec cpu_time() -> float().
cpu_time() ->
    lists:sum([ticks(Pid) || Pid <- with_children(os:getpid())]) / ?TICKS_PER_SECOND.

%% @doc Process ids of the programs of this name below this VM.
-spec children(Program :: string()) -> [string()].
children(Program) ->
    [Pid || Pid <- with_children(os:getpid()), string:trim(read("/proc/" ++ Pid ++ "/comm")) =:= Program].

-spec with_children(string()) -> [string()].
with_children(Pid) ->
    Children = [string:lexemes(read(File), " ")
                || File <- filelib:wildcard("/proc/" ++ Pid ++ "/task/*/children")],
    [Pid | lists:flatmap(fun with_children/1, lists:append(Children))].

%% Fields 14 and 15, utime and stime; the name before them, in parentheses, may hold spaces.
-spec ticks(string()) -> non_neg_integer().
ticks(Pid) ->
    case string:split(read("/proc/" ++ Pid ++ "/stat"), ")", trailing) of
        [_, Fields] ->
            [User, System] = lists:sublist(string:lexemes(Fields, " "), 12, 2),
            list_to_integer(User) + list_to_integer(System);
        _ ->
            0
    end.

%% Files of processes that may end meanwhile.
-spec read(file:filename()) -> string().
read(File) ->
    case file:read_file(File) of
        {ok, Content} -> binary_to_list(Content);
        {error, _} -> ""
    end.

%% @doc Busy: two processes of this node that never rest.
-spec start_load(load()) -> [pid()].
start_load(idle) -> [];
start_load(busy) -> [spawn_link(fun busy/0) || _ <- [1, 2]].

-spec stop_load([pid()]) -> ok.
stop_load(Pids) ->
    lists:foreach(fun(Pid) -> unlink(Pid), exit(Pid, kill) end, Pids).

-spec busy() -> no_return().
busy() -> busy().
