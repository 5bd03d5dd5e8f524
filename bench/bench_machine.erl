%% @doc The machine under the benchmark: what it is, what it was busy with, what a measurement cost it.
-module(bench_machine).

-export([describe/0,
         facts/0,
         load_average/0,
         cpu_time/0,
         context_switches/1,
         anonymous_kib/1,
         start_load/1]).

-export_type([load/0]).

%% Busy: beside two processes of this node that never rest; threads: beside a program with two threads of that kind.
-type load() :: idle | busy | threads.

-spec describe() -> iolist().
describe() ->
    io_lib:format("OTP ~s, erts ~s, ~s; Linux ~s; ~b processors online, ~b schedulers; load average ~s~n",
                  [erlang:system_info(otp_release), erlang:system_info(version),
                   erlang:system_info(system_architecture),
                   string:trim(read("/proc/sys/kernel/osrelease")),
                   erlang:system_info(logical_processors_available),
                   erlang:system_info(schedulers_online), load_average()]).

%% @doc What a figure is worth nothing without.
-spec facts() -> #{otp := binary(), linux := binary(), processors := pos_integer(), taken := binary()}.
facts() ->
    {Major, Minor, _} = os:version(),
    {{Year, Month, Day}, _} = calendar:universal_time(),
    #{otp => list_to_binary(erlang:system_info(otp_release)),
      linux => iolist_to_binary(io_lib:format("~b.~b", [Major, Minor])),
      processors => erlang:system_info(logical_processors_available),
      taken => iolist_to_binary(io_lib:format("~4..0b-~2..0b-~2..0b", [Year, Month, Day]))}.

-spec load_average() -> string().
load_average() ->
    lists:join($\s, lists:sublist(string:lexemes(read("/proc/loadavg"), " "), 3)).

%% @doc Seconds of processor time of this VM, and of all processes below it: the helper is one.
-spec cpu_time() -> {Vm :: float(), Below :: float()}.
cpu_time() ->
    [Vm | Below] = [nanoseconds(Pid) || Pid <- with_children(os:getpid())],
    {Vm / 1.0e9, lists:sum(Below) / 1.0e9}.

%% Of all threads the first one alone starts programs, in the VM as well.
-spec with_children(string()) -> [string()].
with_children(Pid) ->
    [Pid | lists:flatmap(fun with_children/1, string:lexemes(read(["/proc/", Pid, "/task/", Pid, "/children"]), " "))].

%% This file of each thread. Here and below no process is asked: beside a thousand that never wait each answer takes seconds.
-spec of_threads(Pid :: string(), Name :: string()) -> [string()].
of_threads(Pid, Name) ->
    Tasks = "/proc/" ++ Pid ++ "/task/",
    case prim_file:list_dir(Tasks) of
        {ok, Threads} -> [Content || Thread <- Threads, Content <- [read([Tasks, Thread, $/, Name])], Content =/= ""];
        {error, _} -> []
    end.

%% Of all threads, from the scheduler's own figures: those of /proc/PID/stat have steps of 10 ms.
-spec nanoseconds(string()) -> non_neg_integer().
nanoseconds(Pid) ->
    lists:sum([list_to_integer(hd(string:split(Line, " "))) || Line <- of_threads(Pid, "schedstat")]).

%% @doc How often all threads of this process have given up their processors or have lost them.
-spec context_switches(string()) -> non_neg_integer().
context_switches(Pid) ->
    lists:sum([field("voluntary_ctxt_switches", Status) + field("nonvoluntary_ctxt_switches", Status)
               || Status <- of_threads(Pid, "status")]).

%% @doc KiB of memory that is the process's own, of its files and libraries apart.
-spec anonymous_kib(string()) -> non_neg_integer().
anonymous_kib(Pid) ->
    field("RssAnon", read("/proc/" ++ Pid ++ "/status")).

-spec field(string(), string()) -> non_neg_integer().
field(Name, Status) ->
    {match, [Number]} = re:run(Status, ["^", Name, ":\\s+(\\d+)"], [multiline, {capture, all_but_first, list}]),
    list_to_integer(Number).

%% Files of processes that may end meanwhile.
-spec read(file:name_all()) -> string().
read(Name) ->
    case file:open(Name, [read, raw]) of
        {ok, File} ->
            Content = file:read(File, 65536),
            ok = file:close(File),
            case Content of
                {ok, Text} -> Text;
                _ -> ""
            end;
        {error, _} ->
            ""
    end.

-spec start_load(load()) -> fun(() -> ok).
start_load(idle) ->
    fun() -> ok end;
start_load(busy) ->
    Pids = [spawn_link(fun busy/0) || _ <- [1, 2]],
    fun() -> lists:foreach(fun(Pid) -> unlink(Pid), exit(Pid, kill) end, Pids) end;
start_load(threads) ->
    Port = open_port({spawn_executable, bench_setup:program("busy_threads")}, []),
    fun() -> true = port_close(Port), ok end.

-spec busy() -> no_return().
busy() -> busy().
