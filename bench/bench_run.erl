%% @doc Runs processes against the clock.
-module(bench_run).

-export([rate/3,
         latency/2,
         server/1]).

-export_type([step/0, rate/0, latency/0]).

%% One operation; tells how much it was: calls, or bytes.
-type step() :: fun(() -> non_neg_integer()).

%% CPU: seconds of processor time for each unit, of the VM and the helper together.
-type rate() :: #{rate := float(), cpu := float()}.

%% Nanoseconds.
-type latency() :: #{mean := float(), p50 := float(), p99 := float(), cpu := float()}.

-define(WARM_MS, 150).

%% For a worker to end the operation that it is in.
-define(PATIENCE_MS, 10000).

%% A histogram of nanoseconds: 50 of them a bucket, the last one for all that is longer.
-define(BUCKET, 50).
-define(BUCKETS, 40000).

%% @doc How many units per second do these workers do together, once warm? Each prepares in its own process.
-spec rate(Workers :: [fun(() -> step())], Seconds :: float(), bench_api:cleanup()) -> rate().
rate(Workers, Seconds, Cleanup) ->
    Done = counters:new(1, [write_concurrency]),
    Stop = atomics:new(1, []),
    Pids = [spawn_monitor(quiet(fun() -> work(Prepare(), Done, Stop) end)) || Prepare <- Workers],
    timer:sleep(?WARM_MS),
    [First, Last] = [{counters:get(Done, 1), erlang:monotonic_time(), bench_machine:cpu_time()}
                     || Wait <- [0, round(Seconds * 1000)], ok =:= timer:sleep(Wait)],
    atomics:put(Stop, 1, 1),
    Deadline = erlang:monotonic_time(millisecond) + ?PATIENCE_MS,
    Failures = lists:usort(lists:append([join(Pid, Deadline) || Pid <- Pids])),
    Cleanup(),
    Failures =:= [] orelse error({workers_failed, Failures}),
    {Units0, Time0, Cpu0} = First,
    {Units1, Time1, Cpu1} = Last,
    Units = max(Units1 - Units0, 1),
    #{rate => Units * 1.0e9 / erlang:convert_time_unit(Time1 - Time0, native, nanosecond),
      cpu => (Cpu1 - Cpu0) / Units}.

-spec work(step(), counters:counters_ref(), atomics:atomics_ref()) -> ok.
work(Step, Done, Stop) ->
    counters:add(Done, 1, Step()),
    case atomics:get(Stop, 1) of
        0 -> work(Step, Done, Stop);
        1 -> ok
    end.

%% A thousand workers would fail with a thousand error reports.
-spec quiet(fun(() -> T)) -> fun(() -> T).
quiet(Work) ->
    fun() ->
            try Work()
            catch error:Reason:Stack -> exit({Reason, lists:sublist(Stack, 2)})
            end
    end.

%% Why it failed, if it did: a worker that broke would otherwise be a slow one.
-spec join({pid(), reference()}, Deadline :: integer()) -> [term()].
join({Pid, Monitor}, Deadline) ->
    receive
        {'DOWN', Monitor, process, Pid, normal} -> [];
        {'DOWN', Monitor, process, Pid, Reason} -> [Reason]
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        demonitor(Monitor, [flush]),
        Stuck = process_info(Pid, current_stacktrace),
        exit(Pid, kill),
        [{stuck, Stuck}]
    end.

%% @doc How long does one operation take a single process? Everything happens in that process.
-spec latency(Prepare :: fun(() -> step()), Seconds :: float()) -> latency().
latency(Prepare, Seconds) ->
    Parent = self(),
    {Pid, Monitor} =
        spawn_monitor(quiet(fun() -> Parent ! {self(), measure(Prepare(), Seconds)} end)),
    receive
        {Pid, Latency} -> demonitor(Monitor, [flush]), Latency;
        {'DOWN', Monitor, process, Pid, Reason} -> error({worker_failed, Reason})
    end.

-spec measure(step(), float()) -> latency().
measure(Step, Seconds) ->
    _ = histogram(Step, ?WARM_MS / 1000),
    Cpu = bench_machine:cpu_time(),
    {Histogram, Count, Elapsed} = histogram(Step, Seconds),
    [P50, P99] = [percentile(Histogram, round(Count * P), 1) || P <- [0.5, 0.99]],
    #{mean => Elapsed / Count, p50 => P50, p99 => P99, cpu => (bench_machine:cpu_time() - Cpu) / Count}.

-spec histogram(step(), float()) -> {counters:counters_ref(), pos_integer(), pos_integer()}.
histogram(Step, Seconds) ->
    Histogram = counters:new(?BUCKETS, []),
    Begin = os:perf_counter(nanosecond),
    {Count, End} = fill(Step, Histogram, Begin + round(Seconds * 1.0e9), Begin, 0),
    {Histogram, Count, End - Begin}.

-spec fill(step(), counters:counters_ref(), integer(), integer(), non_neg_integer()) ->
          {pos_integer(), integer()}.
fill(Step, Histogram, End, Before, Count) ->
    _ = Step(),
    Now = os:perf_counter(nanosecond),
    counters:add(Histogram, min((Now - Before) div ?BUCKET, ?BUCKETS - 1) + 1, 1),
    if Now < End -> fill(Step, Histogram, End, Now, Count + 1);
       true -> {Count + 1, Now}
    end.

-spec percentile(counters:counters_ref(), integer(), pos_integer()) -> float().
percentile(Histogram, Rank, Bucket) ->
    case Rank - counters:get(Histogram, Bucket) of
        Rest when Rest =< 0; Bucket =:= ?BUCKETS -> (Bucket - 0.5) * ?BUCKET;
        Rest -> percentile(Histogram, Rest, Bucket + 1)
    end.

%% @doc A process that serves until what it serves is closed; the result ends it.
-spec server(fun(() -> term())) -> fun(() -> ok).
server(Serve) ->
    {Pid, Monitor} = spawn_monitor(quiet(Serve)),
    fun() ->
        exit(Pid, kill),
        receive {'DOWN', Monitor, process, Pid, _} -> ok end
    end.
