%% @doc Where the time of a call goes, hop by hop, and which system calls the helper makes for a round trip.
%%
%% A hop cannot be timed from inside without slowing it, so each is the difference between two round trips of which
%% one has the hop. The trips are measured in interleaved rounds; a hop is the median of the rounds' differences.
%%
%% Environment: ROUNDS, ROUND_SECONDS.
-module(bench_profile).

-export([main/0]).

-type trip() :: {Name :: atom(), Settings :: bench_setup:settings(), Prepare :: fun(() -> bench_run:step())}.

-spec main() -> no_return().
main() ->
    io:format("~ts~n", [bench_machine:describe()]),
    lists:foreach(fun profile_call/1, [on, off]),
    profile_pingpong(),
    halt(0).

%% ---- one call ----

-spec profile_call(on | off) -> ok.
profile_call(Spin) ->
    Trips = trips(Spin),
    Rounds = [[{Name, round_trip(Trip)} || {Name, _, _} = Trip <- Trips] || _ <- lists:seq(1, bench:number("ROUNDS", 7))],
    io:format("One call, everything that may spin: ~s. Microseconds, median (min - max) of the rounds:~n", [Spin]),
    [row(Text, [proplists:get_value(Name, Round) || Round <- Rounds])
     || {Name, Text} <- [{message, "caller -> process -> caller, watched by a monitor"},
                         {bare, "process -> pipe -> C -> pipe -> process, 60 bytes"},
                         {echo, "sockname, the C echo port for helper"},
                         {call, "sockname"}]],
    io:format("  by hop:~n"),
    [row(Text, [Difference(fun(Name) -> proplists:get_value(Name, Round) end) || Round <- Rounds])
     || {Text, Difference} <-
            [{"caller to lane and back", fun(T) -> T(message) end},
             {"pipe, wake-up, C's reading and writing, pipe, wake-up", fun(T) -> T(bare) end},
             {"lane: encoding, batching, routing", fun(T) -> T(echo) - T(message) - T(bare) end},
             {"helper: its loop, decoding, encoding and getsockname(2), beyond C", fun(T) -> T(call) - T(echo) end}]],
    io:nl().

-spec trips(on | off) -> [trip()].
trips(Spin) ->
    {Echo, Helper} = case Spin of
                         on -> {echo, gosocket};
                         off -> {echo_off, gosocket_off}
                     end,
    Settings = fun(Contender) -> maps:get(settings, bench_setup:contender(Contender)) end,
    Sockname = fun() -> bench_call:sockname(gosocket) end,
    [{message, none, fun message/0},
     {bare, none, fun() -> bench_call:bare(Spin) end},
     {echo, Settings(Echo), Sockname},
     {call, Settings(Helper), Sockname}].

-spec round_trip(trip()) -> float().
round_trip({_Name, Settings, Prepare}) ->
    ok = bench_setup:use(Settings),
    #{mean := Mean} = bench_run:latency(Prepare, float(bench:number("ROUND_SECONDS", 0.4))),
    Mean / 1000.

%% What a call has in common with any call to any process.
-spec message() -> bench_run:step().
message() ->
    Server = spawn_link(fun answer/0),
    fun() ->
            Monitor = monitor(process, Server),
            Server ! {self(), Monitor},
            receive {Monitor, ok} -> demonitor(Monitor, [flush]) end,
            1
    end.

-spec answer() -> no_return().
answer() ->
    receive {From, Monitor} -> From ! {Monitor, ok} end,
    answer().

-spec row(string(), [float()]) -> ok.
row(Text, Micros) ->
    {Median, Min, Max} = bench_stats:spread(Micros),
    io:format("    ~-62s ~8.2f  (~.2f - ~.2f)~n", [Text, Median, Min, Max]).

%% ---- a round trip over TCP ----

-spec profile_pingpong() -> ok.
profile_pingpong() ->
    lists:foreach(fun(Pairs) ->
                          ok = bench_setup:use([]),
                          %% the first open starts the helper
                          {ok, S} = gosocket:open(inet, stream, tcp),
                          Trace = trace(),
                          #{rate := Rate} = bench_case:pingpong(gosocket, Pairs, 100, 1.0),
                          io:format("TCP ping-pong, ~b pairs: system calls of the helper at ~b round trips~n"
                                    "a second under the tracer; two sends are one round trip~n",
                                    [Pairs, round(Rate)]),
                          io:format("~ts~n", [Trace()]),
                          ok = gosocket:close(S)
                  end, [1, 8, 64]).

%% Counts from now on; the fun ends that and gives the table.
-spec trace() -> fun(() -> unicode:chardata()).
trace() ->
    case {os:find_executable("strace"), bench_setup:os_pids()} of
        {false, _} ->
            fun() -> "no strace on this machine" end;
        {Strace, [Pid | _]} ->
            Port = open_port({spawn_executable, Strace},
                             [{args, ["-f", "-c", "-p", Pid]}, stderr_to_stdout, exit_status, binary]),
            {os_pid, StracePid} = erlang:port_info(Port, os_pid),
            fun() -> _ = os:cmd("kill -INT " ++ integer_to_list(StracePid)), collect(Port, []) end
    end.

-spec collect(port(), [binary()]) -> unicode:chardata().
collect(Port, Output) ->
    receive
        {Port, {data, More}} -> collect(Port, [Output, More]);
        {Port, {exit_status, _}} -> Output
    end.
