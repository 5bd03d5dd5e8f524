%% @doc Processes that wait in a receive, each on a UDP socket of its own: what they cost, and what they do to those that wait for
%% less long.
-module(bench_waiters).

-export([growth/2, idle/2]).

-define(LOOPBACK, {127, 0, 0, 1}).

%% The few, and the many.
-define(FEW, 10).

%% Receivers of which the wake-up is taken, one after the other, and the rest before each: whether somebody still polls after the
%% one before would be most of the figure otherwise.
-define(WAKE_UPS, 200).
-define(REST_MS, 1).

%% For what opening the sockets has left to be done: a helper that has grown cleans up after itself for some seconds.
-define(SETTLE_MS, 3000).

%% @doc How much longer does a datagram take to its receiver with this many who wait than with ten, and how many KiB of
%% the helper's memory does each of them take? The helper has to be a fresh one, where no burst before has left memory.
-spec growth(socket | gosocket, pos_integer()) -> bench_run:result().
growth(Api, Many) ->
    Others = Api:number_of(),
    {ok, Sender} = gen_udp:open(0, [binary]),
    Few = start(Api, ?FEW),
    Before = wake_up(Sender, Few),
    Kib = helper_kib(Api),
    More = start(Api, Many - ?FEW),
    GrownKib = helper_kib(Api),
    timer:sleep(?SETTLE_MS),
    After = wake_up(Sender, Few ++ More),
    ok = stop(Api, Few ++ More, Others),
    ok = gen_udp:close(Sender),
    #{units => 2 * ?WAKE_UPS, growth => After / Before, p50 => After, kib => (GrownKib - Kib) / (Many - ?FEW)}.

%% @doc Context switches of the helper's threads a second, with this many who wait.
-spec idle(pos_integer(), float()) -> bench_run:result().
idle(Many, Seconds) ->
    Others = gosocket:number_of(),
    Receivers = start(gosocket, Many),
    timer:sleep(?SETTLE_MS),
    [Helper] = bench_setup:os_pids(),
    Before = {bench_machine:context_switches(Helper), erlang:monotonic_time()},
    timer:sleep(round(Seconds * 1000)),
    After = {bench_machine:context_switches(Helper), erlang:monotonic_time()},
    ok = stop(gosocket, Receivers, Others),
    {Switches0, Time0} = Before,
    {Switches1, Time1} = After,
    #{units => 0, rate => (Switches1 - Switches0) * 1.0e9 / erlang:convert_time_unit(Time1 - Time0, native, nanosecond)}.

-type receiver() :: {pid(), reference(), inet:port_number()}.

-spec start(socket | gosocket, pos_integer()) -> [receiver()].
start(Api, Count) ->
    Parent = self(),
    Started = [spawn_monitor(fun() ->
                                     Socket = bench_api:udp(Api),
                                     Parent ! {self(), bench_api:port(Socket)},
                                     receiver(Parent, Socket)
                             end) || _ <- lists:seq(1, Count)],
    Receivers = [receive
                     {Pid, Port} -> {Pid, Monitor, Port};
                     {'DOWN', Monitor, process, Pid, Reason} -> error({no_receiver, Reason})
                 end || {Pid, Monitor} <- Started],
    %% for the last of them to be in their calls
    timer:sleep(100),
    Receivers.

-spec receiver(pid(), bench_api:socket()) -> no_return().
receiver(Parent, Socket) ->
    {ok, {_, _}} = bench_api:recvfrom(Socket),
    Parent ! {woken, self(), os:perf_counter(nanosecond)},
    receiver(Parent, Socket).

%% Their sockets end with them, and what comes next is measured without that. OTP's socket may count others that are long gone, of acceptors
%% that were killed.
-spec stop(socket | gosocket, [receiver()], Others :: non_neg_integer()) -> ok.
stop(Api, Receivers, Others) ->
    [exit(Pid, kill) || {Pid, _, _} <- Receivers],
    [receive {'DOWN', Monitor, process, Pid, _} -> ok end || {Pid, Monitor, _} <- Receivers],
    await(Api, Others).

-spec await(socket | gosocket, non_neg_integer()) -> ok.
await(Api, Others) ->
    case Api:number_of() =< Others of
        true -> ok;
        false -> timer:sleep(10), await(Api, Others)
    end.

%% The median in nanoseconds, of receivers all over.
-spec wake_up(gen_udp:socket(), [receiver()]) -> float().
wake_up(Sender, Receivers) ->
    Array = list_to_tuple(Receivers),
    bench_stats:median(
      [begin
           {Pid, _, Port} = element(rand:uniform(tuple_size(Array)), Array),
           timer:sleep(?REST_MS),
           Sent = os:perf_counter(nanosecond),
           ok = gen_udp:send(Sender, ?LOOPBACK, Port, <<"x">>),
           receive {woken, Pid, Woken} -> Woken - Sent end
       end || _ <- lists:seq(1, ?WAKE_UPS)]).

-spec helper_kib(socket | gosocket) -> number().
helper_kib(socket) -> 0;
helper_kib(gosocket) ->
    [Helper] = bench_setup:os_pids(),
    bench_machine:anonymous_kib(Helper).
