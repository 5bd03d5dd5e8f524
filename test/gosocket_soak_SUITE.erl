%% Random traffic of all kinds while helper and lane are killed or stopped and readers die. SOAK_SECONDS lengthens a run,
%% SOAK_SEED repeats its choices.
-module(gosocket_soak_SUITE).

-export([traffic_survives_faults/1]).

%% They break the helper.
-define(OURS, [traffic_survives_faults]).
-include("gosocket_test.hrl").

-define(SECONDS, "10").
-define(WORKERS, 24).
-define(LARGEST_STREAM, 300000).
-define(LARGEST_PIECE, 100000).
-define(ROUND_TRIPS, 20).
%% From a fault to the last answer, with something for a busy machine.
-define(SIX_SECONDS, 6500).
%% A session that takes longer is stuck: it moves little, and the longest stop takes six seconds.
-define(STUCK, 40000).
-define(MIB, (1 bsl 20)).
-define(NODE_GROWTH, (16 * ?MIB)).
-define(HELPER_MEMORY, (128 * ?MIB)).

%% What a fault may end is thrown, and what may never happen is an error.
-define(INTERRUPTED(Reason), throw({interrupted, Reason})).

-type kind() :: gosocket_test_net:kind().
-type fault() :: kill_helper | kill_lane | stop_helper | stop_helper_for_good.
-type counts() :: #{{kind(), whole | interrupted} => pos_integer()}.

-spec traffic_survives_faults(config()) -> term().
traffic_survives_faults(_) ->
    Seconds = list_to_integer(os:getenv("SOAK_SECONDS", ?SECONDS)),
    Seed = list_to_integer(os:getenv("SOAK_SEED", integer_to_list(erlang:system_time() rem (1 bsl 31)))),
    ct:timetrap({seconds, Seconds + 180}),
    ct:pal("SOAK_SECONDS=~b SOAK_SEED=~b", [Seconds, Seed]),
    Before = footprint(),
    Until = erlang:monotonic_time(millisecond) + Seconds * 1000,
    Epoch = atomics:new(1, []),
    Workers = [start(fun() -> seed(Seed, N), work(Until, Epoch, #{}) end) || N <- lists:seq(1, ?WORKERS)],
    seed(Seed, 0),
    Faults = faults(Until, Epoch, #{}),
    Reports = [result(Worker, 2 * ?STUCK) || Worker <- Workers],
    ?assertEqual([], [Report || Report <- Reports, not is_map(Report)]),
    Counts = lists:foldl(fun merged/2, #{}, Reports),
    ct:pal("faults ~p~nsessions ~p", [Faults, Counts]),
    ?assertEqual([], [Kind || Kind <- kinds(), not maps:is_key({Kind, whole}, Counts)]),
    ?assertEqual([], [Fault || Fault <- every_fault(), not maps:is_key(Fault, Faults)]),
    ?assertEqual(ok, grown_little(Before, footprint())).

-spec seed(integer(), integer()) -> term().
seed(Seed, Process) ->
    rand:seed(exsss, {Seed, Process, 7}).

-spec merged(counts(), counts()) -> counts().
merged(One, Other) ->
    maps:fold(fun(Key, Number, Sum) -> counted(Key, Number, Sum) end, One, Other).

-spec counted(Key, non_neg_integer(), #{Key => non_neg_integer()}) -> #{Key => non_neg_integer()}.
counted(Key, Number, Counts) ->
    maps:update_with(Key, fun(Sum) -> Sum + Number end, Number, Counts).

-spec any([Element]) -> Element.
any(List) ->
    lists:nth(rand:uniform(length(List)), List).

%% ---- faults ----

%% Each kind once at least, however short the run.
-spec faults(integer(), atomics:atomics_ref(), #{fault() => pos_integer()}) -> #{fault() => pos_integer()}.
faults(Until, Epoch, Done) ->
    Order = lists:sort([{rand:uniform(), Fault} || Fault <- every_fault()]),
    Now = lists:foldl(fun({_, Fault}, Sum) ->
        pause(200, 800),
        ok = strike(Fault, Epoch),
        counted(Fault, 1, Sum)
    end, Done, Order),
    case erlang:monotonic_time(millisecond) < Until of
        true -> faults(Until, Epoch, Now);
        false -> Now
    end.

-spec every_fault() -> [fault()].
every_fault() ->
    [kill_helper, kill_lane, stop_helper, stop_helper_for_good].

-spec pause(pos_integer(), pos_integer()) -> ok.
pause(Least, Most) ->
    receive
    after Least + rand:uniform(Most - Least) -> ok
    end.

%% A helper that goes on has interrupted nobody.
-spec strike(fault(), atomics:atomics_ref()) -> ok.
strike(stop_helper, _) ->
    Helper = helper_os_pid(),
    ok = signal("STOP", Helper),
    ok = pause(100, 1500),
    signal("CONT", Helper);
strike(Fault, Epoch) ->
    Calls = [{Name, gosocket_test_blocked:start(gosocket_test_blocked:make(Name))}
             || Name <- gosocket_test_blocked:names()],
    Selects = [{maps:get(socket, Situation), gosocket_test_blocked:select(Situation)}
               || Name <- gosocket_test_blocked:select_calls(), Situation <- [gosocket_test_blocked:make(Name)]],
    Lane = lane(),
    %% Odd while it lasts.
    ok = atomics:add(Epoch, 1, 1),
    ok = break(Fault),
    {Elapsed, Results} = elapsed(fun() ->
        Answers = [{Name, gosocket_test_blocked:outcome(Name, result(Call))} || {Name, Call} <- Calls],
        [await_abort(Socket, SelectInfo, closed) || {Socket, SelectInfo} <- Selects],
        Answers
    end),
    ?assertEqual([{Name, after_death(Name)} || {Name, _} <- Calls], Results),
    ?assert(Elapsed =< ?SIX_SECONDS),
    wait_until(fun() -> works(?S:open(inet, dgram)) andalso lane() =/= Lane end),
    ?assertEqual(none, receive {'$socket', _, _, _} = Message -> Message after 0 -> none end),
    atomics:add(Epoch, 1, 1).

-spec break(fault()) -> ok.
break(kill_helper) -> signal("KILL", helper_os_pid());
break(stop_helper_for_good) -> signal("STOP", helper_os_pid());
break(kill_lane) -> exit(lane(), kill), ok.

-spec after_death(gosocket_test_blocked:name()) -> {error, term()}.
after_death(recv_part) -> {error, closed};
after_death(Name) -> gosocket_test_blocked:error(Name, closed).

-spec works({ok, socket()} | {error, atom()}) -> boolean().
works({ok, Socket}) -> ok =:= ?S:close(Socket);
works({error, _}) -> false.

%% ---- sessions ----

-spec work(integer(), atomics:atomics_ref(), counts()) -> counts().
work(Until, Epoch, Counts) ->
    case erlang:monotonic_time(millisecond) < Until of
        true ->
            Kind = any(kinds()),
            work(Until, Epoch, counted({Kind, session(Kind, Epoch)}, 1, Counts));
        false ->
            Counts
    end.

%% In a process of its own, with which all its sockets go.
-spec session(kind(), atomics:atomics_ref()) -> whole | interrupted.
session(Kind, Epoch) ->
    Before = atomics:get(Epoch, 1),
    Seed = rand:uniform(1 bsl 40),
    Result = result(start(fun() -> seed(Seed, 1), interruptible(fun() -> exchange(Kind) end) end), ?STUCK),
    After = atomics:get(Epoch, 1),
    Calm = Before =:= After andalso Before rem 2 =:= 0,
    case Result of
        whole -> whole;
        {interrupted, _} when not Calm -> interrupted;
        %% while the sockets were made
        {died, {{badmatch, {error, _}}, _}} when not Calm -> interrupted;
        _ -> error({no_fault_explains, Kind, Result})
    end.

-spec interruptible(fun(() -> Result)) -> Result | {interrupted, term()}.
interruptible(Fun) ->
    try
        Fun()
    catch
        throw:{interrupted, _} = Interrupted -> Interrupted
    end.

-spec exchange(kind()) -> whole | {interrupted, term()}.
exchange({_, stream} = Kind) ->
    {A, B} = case rand:uniform(2) of
                 1 -> pair(Kind);
                 2 -> small_pair(Kind)
             end,
    [kill_a_reader(B) || rand:uniform(3) =:= 1],
    Data = random(rand:uniform(?LARGEST_STREAM)),
    Receiver = aside(fun() -> iolist_to_binary(take(B, byte_size(Data))) end),
    ok = give(A, Data),
    ended(Data, result(Receiver, ?STUCK), A, B);
exchange(Kind) ->
    {A, B} = pair(Kind),
    [kill_a_reader(B) || rand:uniform(3) =:= 1],
    Messages = [random(rand:uniform(4000)) || _ <- lists:seq(1, ?ROUND_TRIPS)],
    Echo = aside(fun() -> [begin Data = message(B), ok = give(B, Data), Data end || _ <- Messages] end),
    Back = [begin ok = give(A, Data), message(A) end || Data <- Messages],
    ended({Messages, Messages}, {Back, result(Echo, ?STUCK)}, A, B).

-spec aside(fun(() -> term())) -> gosocket_test_lib:call().
aside(Fun) ->
    Seed = rand:uniform(1 bsl 40),
    start(fun() -> seed(Seed, 2), interruptible(Fun) end).

-spec ended(Same, Same | {interrupted, term()} | {term(), {interrupted, term()}}, socket(), socket()) ->
    whole | {interrupted, term()}.
ended(Sent, Sent, A, B) ->
    [case ?S:close(Socket) of
         ok -> ok;
         {error, closed} -> ?INTERRUPTED(close)
     end || Socket <- [A, B]],
    whole;
ended(_, {interrupted, _} = Interrupted, _, _) ->
    Interrupted;
ended(_, {_, {interrupted, _} = Interrupted}, _, _) ->
    Interrupted;
ended(Sent, Received, _, _) ->
    error({not_what_was_sent, erlang:phash2(Sent), Received}).

%% One that waits, with a call or a select: it takes nothing along.
-spec kill_a_reader(socket()) -> ok.
kill_a_reader(Socket) ->
    Wait = any([fun() -> ?S:recv(Socket, 10) end,
                fun() -> {select, _} = ?S:recvfrom(Socket, 0, nowait), receive {'$socket', _, abort, _} -> ok end end]),
    {Reader, Monitor} = spawn_monitor(fun() -> interruptible(Wait) end),
    wait_until(fun() -> maps:get(num_readers, ?S:info(Socket), 0) > 0 orelse not is_process_alive(Reader) end),
    exit(Reader, kill),
    receive
        {'DOWN', Monitor, process, Reader, _} -> ok
    end.

%% ---- sending ----

-spec give(socket(), binary()) -> ok.
give(Socket, Data) when byte_size(Data) > ?LARGEST_PIECE ->
    Size = rand:uniform(?LARGEST_PIECE),
    <<Piece:Size/binary, Rest/binary>> = Data,
    ok = give(Socket, Piece),
    give(Socket, Rest);
give(Socket, Data) ->
    Mode = any_mode(),
    Size = byte_size(Data),
    case {?S:send(Socket, Data, Mode), Mode} of
        {ok, _} ->
            ok;
        {{error, {timeout, Left}}, Time} when is_integer(Time), Left > 0, Left =< Size ->
            give(Socket, binary:part(Data, Size, -Left));
        {{ok, {Rest, SelectInfo}}, nowait} when byte_size(Rest) > 0, byte_size(Rest) < Size ->
            ok = selected(Socket, SelectInfo),
            give(Socket, Rest);
        {{select, SelectInfo}, nowait} ->
            ok = selected(Socket, SelectInfo),
            give(Socket, Data);
        {{error, {Reason, Left}}, _} when Reason =/= timeout, Left > 0, Left =< Size ->
            ?INTERRUPTED(Reason);
        {Other, _} ->
            error({not_an_answer, send, Mode, Size, Other})
    end.

-spec any_mode() -> timeout() | nowait.
any_mode() ->
    any([infinity, nowait, 0, rand:uniform(20)]).

%% Until the message, or not waiting for it.
-spec selected(socket(), {select_info, atom(), reference()}) -> ok.
selected(Socket, {select_info, _, Ref} = SelectInfo) ->
    case rand:uniform(4) of
        1 ->
            cancelled(?S:cancel(Socket, SelectInfo), Ref);
        _ ->
            receive
                {'$socket', Socket, select, Ref} -> ok;
                {'$socket', Socket, abort, {Ref, Reason}} -> ?INTERRUPTED(Reason)
            after ?STUCK ->
                error({no_message, Ref})
            end
    end.

-spec cancelled(ok | {error, term()}, reference()) -> ok.
cancelled({error, closed}, _) ->
    ?INTERRUPTED(cancel);
cancelled(ok, Ref) ->
    receive
        {'$socket', _, _, Tail} = Message when Tail =:= Ref; element(1, Tail) =:= Ref -> error({after_cancel, Message})
    after 0 -> ok
    end.

%% ---- receiving ----

-spec take(socket(), non_neg_integer()) -> iolist().
take(_, 0) ->
    [];
take(Socket, Left) ->
    Mode = any_mode(),
    Length = any([0, rand:uniform(Left)]),
    Data = case {?S:recv(Socket, Length, Mode), Mode} of
               {{ok, {Part, {select_info, _, Ref} = SelectInfo}}, nowait} when byte_size(Part) < Length ->
                   ok = cancelled(?S:cancel(Socket, SelectInfo), Ref),
                   Part;
               {{ok, All}, _} when byte_size(All) =:= Length; Length =:= 0, byte_size(All) > 0 ->
                   All;
               {{error, {timeout, Part}}, Time} when is_integer(Time), byte_size(Part) > 0, byte_size(Part) < Length ->
                   Part;
               {Other, _} ->
                   nothing(recv, Mode, Other, Socket)
           end,
    [Data | take(Socket, Left - byte_size(Data))].

%% Of a call that has brought nothing.
-spec nothing(atom(), timeout() | nowait, term(), socket()) -> <<>>.
nothing(_, nowait, {select, SelectInfo}, Socket) ->
    ok = selected(Socket, SelectInfo),
    <<>>;
nothing(_, Mode, {error, timeout}, _) when is_integer(Mode) ->
    <<>>;
nothing(_, _, {error, Reason}, _) when is_atom(Reason), Reason =/= timeout ->
    ?INTERRUPTED(Reason);
nothing(recv, _, {error, {Reason, Part}}, _) when Reason =/= timeout, is_binary(Part) ->
    ?INTERRUPTED(Reason);
nothing(Call, Mode, Other, _) ->
    error({not_an_answer, Call, Mode, Other}).

-spec message(socket()) -> binary().
message(Socket) ->
    Mode = any_mode(),
    {Call, Result} = case rand:uniform(3) of
                         1 -> {recv_all, ?S:recv(Socket, 0, Mode)};
                         2 -> {recvfrom, ?S:recvfrom(Socket, 0, Mode)};
                         3 -> {recvmsg, ?S:recvmsg(Socket, [], Mode)}
                     end,
    case {Call, Result} of
        {recv_all, {ok, Data}} when is_binary(Data) -> Data;
        {recvfrom, {ok, {_, Data}}} when is_binary(Data) -> Data;
        {recvmsg, {ok, #{iov := [Data]}}} -> Data;
        _ -> <<>> = nothing(Call, Mode, Result, Socket), message(Socket)
    end.

%% ---- what is left ----

%% Descriptors, processes, ports and monitors are the matter of nothing_is_left_behind.
-spec footprint() -> #{atom() => non_neg_integer()}.
footprint() ->
    [erlang:garbage_collect(Pid) || Pid <- processes()],
    #{node => erlang:memory(total), tables => length(ets:all()), terms => maps:get(count, persistent_term:info())}.

-spec grown_little(Before, After) -> ok | {grown, Before, After, Helper :: pos_integer()} when
      Before :: #{atom() => non_neg_integer()}, After :: #{atom() => non_neg_integer()}.
grown_little(#{node := Node, tables := Tables, terms := Terms} = Before, After) ->
    Helper = resident(),
    ct:pal("before ~p~nafter ~p~nhelper ~b MiB", [Before, After, Helper div ?MIB]),
    case After of
        #{node := Now, tables := Tables, terms := Terms} when Now - Node < ?NODE_GROWTH, Helper < ?HELPER_MEMORY -> ok;
        _ -> {grown, Before, After, Helper}
    end.

-spec resident() -> Bytes :: pos_integer().
resident() ->
    {ok, Status} = file:read_file("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/status"),
    {match, [KiB]} = re:run(Status, "VmRSS:\\s+([0-9]+) kB", [{capture, all_but_first, list}]),
    list_to_integer(KiB) * 1024.
