%% @doc Runs processes against the clock.
-module(bench_run).

-export([rate/3,
         latency/2,
         batches/2,
         server/1]).

-export_type([step/0, result/0]).

%% One operation; tells how much it was: calls, or bytes.
-type step() :: fun(() -> non_neg_integer()).

%% What was measured. Units: all that were counted, those of the warm run as well. CPU: seconds of processor time for each unit,
%% of the VM and all programs below it together, and of the VM alone. Times are in nanoseconds. Other keys are a case's own.
-type result() :: #{units := non_neg_integer(), cpu => float(), vm_cpu => float(),
                    rate => float(),
                    mean => float(), p50 => float(), p99 => float(),
                    atom() => number()}.

-define(WARM_MS, 150).

%% For a worker to end the operation that it is in: beside 511 pairs, one of OTP's socket may take seconds.
-define(PATIENCE_MS, 30000).

%% A histogram of nanoseconds: 50 of them a bucket, the last one for all that is longer.
-define(BUCKET, 50).
-define(BUCKETS, 40000).

%% @doc How many units per second do these workers do together, once warm? Each prepares in its own process.
-spec rate(Workers :: [fun(() -> step())], Seconds :: float(), fun(() -> ok)) -> result().
rate(Workers, Seconds, Cleanup) ->
    Done = counters:new(1, [write_concurrency]),
    Stop = atomics:new(1, []),
    Parent = self(),
    Pids = [spawn_monitor(quiet(fun() -> start(Prepare(), Done, Stop, Parent) end)) || Prepare <- Workers],
    Started = [started(Pid) || Pid <- Pids],
    [Pid ! go || {Pid, _} <- Started],
    timer:sleep(?WARM_MS),
    [First, Last] = [{counters:get(Done, 1), erlang:monotonic_time(), bench_machine:cpu_time()}
                     || Wait <- [0, round(Seconds * 1000)], ok =:= timer:sleep(Wait)],
    atomics:put(Stop, 1, 1),
    Deadline = erlang:monotonic_time(millisecond) + ?PATIENCE_MS,
    Failures = lists:usort(lists:append([join(Pid, Deadline) || Pid <- Started])),
    Cleanup(),
    Failures =:= [] orelse error({workers_failed, Failures}),
    {Units0, Time0, Cpu0} = First,
    {Units1, Time1, Cpu1} = Last,
    Units = max(Units1 - Units0, 1),
    (cpu(Units, Cpu0, Cpu1))#{units => counters:get(Done, 1),
                              rate => Units * 1.0e9 / erlang:convert_time_unit(Time1 - Time0, native, nanosecond)}.

-spec cpu(pos_integer(), {float(), float()}, {float(), float()}) -> #{cpu := float(), vm_cpu := float()}.
cpu(Units, {Vm0, Below0}, {Vm1, Below1}) ->
    #{cpu => (Vm1 - Vm0 + Below1 - Below0) / Units, vm_cpu => (Vm1 - Vm0) / Units}.

%% All have done a first operation before one does a second: they would take the processors from those who connect.
-spec start(step(), counters:counters_ref(), atomics:atomics_ref(), pid()) -> ok.
start(Step, Done, Stop, Parent) ->
    counters:add(Done, 1, Step()),
    Parent ! {started, self()},
    receive go -> work(Step, Done, Stop) end.

%% Who fails before that, or is stuck, is so for `join/2' as well.
-spec started({pid(), reference()}) -> {pid(), reference()}.
started({Pid, Monitor} = Worker) ->
    receive
        {started, Pid} -> Worker;
        {'DOWN', Monitor, process, Pid, Reason} ->
            self() ! {'DOWN', Monitor, process, Pid, Reason},
            Worker
    after ?PATIENCE_MS ->
        Worker
    end.

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

%% @doc How long does one operation take a single process? Everything happens in that process. What it does before each
%% operation is not counted.
-spec latency(Prepare :: fun(() -> step() | {Before :: fun(() -> ok), step()}), Seconds :: float()) -> result().
latency(Prepare, Seconds) ->
    alone(fun() ->
                  case Prepare() of
                      {Before, Step} -> measure(fun(_Now) -> ok = Before(), os:perf_counter(nanosecond) end, Step, Seconds);
                      Step -> measure(fun(Now) -> Now end, Step, Seconds)
                  end
          end).

%% When an operation begins, from when the one before has ended.
-type beginning() :: fun((integer()) -> integer()).

-spec measure(beginning(), step(), float()) -> result().
measure(Beginning, Step, Seconds) ->
    {_, Warm, _} = histogram(Beginning, Step, ?WARM_MS / 1000),
    Cpu = bench_machine:cpu_time(),
    {Histogram, Count, Elapsed} = histogram(Beginning, Step, Seconds),
    [P50, P99] = [percentile(Histogram, round(Count * P), 1) || P <- [0.5, 0.99]],
    (cpu(Count, Cpu, bench_machine:cpu_time()))#{units => Warm + Count, mean => Elapsed / Count, p50 => P50, p99 => P99}.

-spec histogram(beginning(), step(), float()) -> {counters:counters_ref(), pos_integer(), pos_integer()}.
histogram(Beginning, Step, Seconds) ->
    Histogram = counters:new(?BUCKETS, []),
    Now = os:perf_counter(nanosecond),
    {Count, Elapsed} = fill(Beginning, Step, Histogram, Now + round(Seconds * 1.0e9), Now, {0, 0}),
    {Histogram, Count, Elapsed}.

-spec fill(beginning(), step(), counters:counters_ref(), integer(), integer(), {non_neg_integer(), non_neg_integer()}) ->
          {pos_integer(), pos_integer()}.
fill(Beginning, Step, Histogram, End, Before, {Count, Elapsed}) ->
    Begin = Beginning(Before),
    _ = Step(),
    Now = os:perf_counter(nanosecond),
    counters:add(Histogram, min((Now - Begin) div ?BUCKET, ?BUCKETS - 1) + 1, 1),
    Filled = {Count + 1, Elapsed + Now - Begin},
    if Now < End -> fill(Beginning, Step, Histogram, End, Now, Filled);
       true -> Filled
    end.

-spec percentile(counters:counters_ref(), integer(), pos_integer()) -> float().
percentile(Histogram, Rank, Bucket) ->
    case Rank - counters:get(Histogram, Bucket) of
        Rest when Rest =< 0; Bucket =:= ?BUCKETS -> (Bucket - 0.5) * ?BUCKET;
        Rest -> percentile(Histogram, Rest, Bucket + 1)
    end.

%% @doc How long do batches of operations take, without what has to be done before and after each? Everything happens in one
%% process: the fun prepares the next batch and gives what is to be timed, how many units that is, and what comes after.
-spec batches(Prepare :: fun(() -> Batch), Seconds :: float()) -> result() when
      Batch :: fun(() -> {Units :: pos_integer(), Timed :: fun(() -> T), After :: fun((T) -> ok)}).
batches(Prepare, Seconds) ->
    alone(fun() ->
                  Batch = Prepare(),
                  {Warm, _, _, _} = batch(Batch(), {0, 0, 0.0, 0.0}),
                  {Units, Elapsed, Vm, Below} = repeat(Batch, round(Seconds * 1.0e9), {0, 0, 0.0, 0.0}),
                  (cpu(Units, {0.0, 0.0}, {Vm, Below}))#{units => Warm + Units, rate => Units * 1.0e9 / Elapsed}
          end).

-type batched() :: {Units :: non_neg_integer(), Nanoseconds :: non_neg_integer(), Vm :: float(), Below :: float()}.

-spec repeat(fun(() -> term()), pos_integer(), batched()) -> batched().
repeat(_Batch, Nanoseconds, {_, Elapsed, _, _} = Done) when Elapsed >= Nanoseconds -> Done;
repeat(Batch, Nanoseconds, Done) -> repeat(Batch, Nanoseconds, batch(Batch(), Done)).

-spec batch({pos_integer(), fun(() -> T), fun((T) -> ok)}, batched()) -> batched().
batch({More, Timed, After}, {Units, Elapsed, Vm, Below}) ->
    {Vm0, Below0} = bench_machine:cpu_time(),
    Begin = os:perf_counter(nanosecond),
    Result = Timed(),
    End = os:perf_counter(nanosecond),
    {Vm1, Below1} = bench_machine:cpu_time(),
    ok = After(Result),
    {Units + More, Elapsed + End - Begin, Vm + Vm1 - Vm0, Below + Below1 - Below0}.

%% In a process of its own.
-spec alone(fun(() -> T)) -> T.
alone(Measure) ->
    Parent = self(),
    {Pid, Monitor} = spawn_monitor(quiet(fun() -> Parent ! {self(), Measure()} end)),
    receive
        {Pid, Result} -> demonitor(Monitor, [flush]), Result;
        {'DOWN', Monitor, process, Pid, Reason} -> error({worker_failed, Reason})
    end.

%% @doc A process that serves until what it serves is closed; the result ends it.
-spec server(fun(() -> term())) -> fun(() -> ok).
server(Serve) ->
    {Pid, Monitor} = spawn_monitor(quiet(Serve)),
    fun() ->
        exit(Pid, kill),
        receive {'DOWN', Monitor, process, Pid, _} -> ok end
    end.
