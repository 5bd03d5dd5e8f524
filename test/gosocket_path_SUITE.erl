%% The path of a call between caller and lane: what it leaves out and what it keeps.
-module(gosocket_path_SUITE).

-export([
    callers_of_a_killed_lane_are_answered_within_a_second/1,
    no_result_keeps_more_than_twice_its_size/1,
    a_process_is_who_it_is_whatever_its_dictionary_says/1,
    a_call_does_not_look_through_a_long_mailbox/1,
    a_request_for_a_recv_is_small_whatever_the_name_of_the_node/1
]).

-define(OURS, [
    callers_of_a_killed_lane_are_answered_within_a_second,
    a_process_is_who_it_is_whatever_its_dictionary_says,
    a_call_does_not_look_through_a_long_mailbox,
    a_request_for_a_recv_is_small_whatever_the_name_of_the_node
]).
-include("gosocket_test.hrl").

%% ---- without a monitor ----

%% GOSOCKET_LANE_KILLS says how often; each time takes as long as the callers wait.
-spec callers_of_a_killed_lane_are_answered_within_a_second(config()) -> term().
callers_of_a_killed_lane_are_answered_within_a_second(_) ->
    Kills = list_to_integer(os:getenv("GOSOCKET_LANE_KILLS", "5")),
    ct:timetrap({seconds, 60 + 2 * Kills}),
    Actors = [actor() || _ <- lists:seq(1, 100)],
    [begin
         Test = self(),
         Calls = [cast(Actor, fun() ->
                      Call = (element(N rem 5 + 1, calls()))(),
                      Test ! {ready, Actor},
                      repeat(Call)
                  end) || {N, Actor} <- lists:enumerate(Actors)],
         [receive {ready, Actor} -> ok after ?PATIENCE -> ct:fail(not_ready) end || Actor <- Actors],
         receive after rand:uniform(20) -> ok end,
         [exit(Lane, kill) || Lane <- in_each_lane(fun() -> lane() end)],
         {Elapsed, Answers} = elapsed(fun() -> [answer(Call) || Call <- Calls] end),
         ?assertEqual([], [Answer || Answer <- Answers, Answer =/= closed]),
         ?assert(Elapsed =< 1000, Elapsed)
     end || _ <- lists:seq(1, Kills)],
    %% whatever was under way to them has come
    Queues = [run(Actor, fun() ->
                  {ok, Socket} = ?S:open(inet, dgram),
                  ok = ?S:close(Socket),
                  gosocket_test_lib:fetch_messages(),
                  process_info(self(), messages)
              end) || Actor <- Actors],
    %% those of selects are the selects' own affair
    ?assertEqual([], [Message || {messages, Queue} <- Queues, Message <- Queue, element(1, Message) =/= '$socket']),
    [kill(Actor) || Actor <- Actors].

%% Each makes its sockets and then a call of its kind.
-spec calls() -> tuple().
calls() ->
    {fun() -> {A, _} = pair({inet, stream}), fun() -> ?S:sockname(A) end end,
     fun() -> {A, B} = pair({inet, stream}), fun() -> ?S:send(A, <<"x">>), ?S:recv(B, 1) end end,
     fun() -> {_, B} = pair({inet, stream}), fun() -> ?S:recv(B, 1) end end,
     fun() -> A = unconnected({inet, dgram}), fun() -> ?S:recvfrom(A, 1, [], 600000) end end,
     fun() -> {A, B} = pair({local, stream}), fun() -> ?S:recv(B, 1, nowait), ?S:send(A, <<"x">>) end end}.

-spec repeat(fun(() -> term())) -> closed.
repeat(Call) ->
    case Call() of
        {error, closed} -> closed;
        {error, {closed, _}} -> closed;
        _ -> repeat(Call)
    end.

%% ---- batches ----

-spec no_result_keeps_more_than_twice_its_size(config()) -> term().
no_result_keeps_more_than_twice_its_size(_) ->
    Sizes = [1, 60, 64, 65, 66, 100, 200, 500, 900, 980, 1000, 1024, 1100, 3000, 70000],
    [begin
         Pairs = [pair(Kind) || _ <- lists:seq(1, 30)],
         Readers = [start(fun() -> kept(Read, B, Size) end) || {_, B} <- Pairs],
         lists:foreach(fun({_, B}) -> await_parked(B, num_readers, 1) end, Pairs),
         %% all at once, so that the answers share a frame
         with_lane_suspended(fun() -> [start(fun() -> ok = ?S:send(A, binary:copy(<<"x">>, Size)) end) || {A, _} <- Pairs] end),
         [?assertMatch({Size, Kept} when Kept =< 2 * Size + 1024, result(Reader)) || Reader <- Readers],
         [close(Socket) || {A, B} <- Pairs, Socket <- [A, B]]
     end || {Kind, Read} <- [{{inet, stream}, recv}, {{inet, dgram}, recv}, {{inet, dgram}, recvfrom}, {{local, dgram}, recvmsg}],
            Size <- Sizes, Size < 65000 orelse Kind =:= {inet, stream}].

-spec kept(atom(), socket(), pos_integer()) -> {Size :: non_neg_integer(), Kept :: non_neg_integer()}.
kept(Read, Socket, Size) ->
    Data = case Read of
               recv -> element(2, {ok, _} = ?S:recv(Socket, Size));
               recvfrom -> element(2, element(2, {ok, _} = ?S:recvfrom(Socket, Size)));
               recvmsg -> hd(maps:get(iov, element(2, {ok, _} = ?S:recvmsg(Socket, Size, 0))))
           end,
    {byte_size(Data), binary:referenced_byte_size(Data)}.

%% ---- who calls ----

-spec a_process_is_who_it_is_whatever_its_dictionary_says(config()) -> term().
a_process_is_who_it_is_whatever_its_dictionary_says(_) ->
    {A, B} = pair({inet, stream}),
    Mine = get(),
    ok = ?S:send(A, <<"1">>),
    Dictionary = get(),
    Other = actor(),
    %% its select is its own, whoever's dictionary it has
    {select, {select_info, recv, Ref}} =
        run(Other, fun() ->
            _ = [put(Key, Value) || {Key, Value} <- Dictionary],
            {ok, <<"1">>} = ?S:recv(B, 1),
            ?S:recv(B, 1, nowait)
        end),
    erase(),
    ok = ?S:send(A, <<"2">>),
    run(Other, fun() -> receive {'$socket', B, select, Ref} -> {ok, <<"2">>} = ?S:recv(B, 1) end end),
    _ = [put(Key, Value) || {Key, Value} <- Mine],
    kill(Other),
    close(A),
    close(B).

%% Each message that a receive passes over costs a reduction, and so does each that comes into the mailbox, in the first call. What
%% a call costs besides is mostly its polling. (With messages on the heap a garbage collection looks at all of them.)
-spec a_call_does_not_look_through_a_long_mailbox(config()) -> term().
a_call_does_not_look_through_a_long_mailbox(_) ->
    Messages = 500000,
    Actor = actor(),
    Costs = run(Actor, fun() ->
                {A, B} = pair({inet, stream}),
                {C, D} = pair({inet, dgram}),
                Calls = [{send, fun() -> ok = ?S:send(A, <<"1234">>) end},
                         {recv, fun() -> {ok, <<"1">>} = ?S:recv(B, 1) end},
                         {recv_ahead, fun() -> {ok, <<"2">>} = ?S:recv(B, 1) end},
                         {recv_timeout, fun() -> {ok, <<"3">>} = ?S:recv(B, 1, 1000) end},
                         {recv_nowait, fun() -> {ok, <<"4">>} = ?S:recv(B, 0, nowait) end},
                         {send_nowait, fun() -> ok = ?S:send(C, <<"1">>, [], nowait) end},
                         {recvfrom, fun() -> {ok, _} = ?S:recvfrom(D) end},
                         {sendmsg, fun() -> ok = ?S:sendmsg(C, #{iov => [<<"2">>]}) end},
                         {recvmsg, fun() -> {ok, _} = ?S:recvmsg(D) end},
                         {sockname, fun() -> {ok, _} = ?S:sockname(A) end},
                         {getopt, fun() -> {ok, _} = ?S:getopt(A, otp, meta) end},
                         {setopt, fun() -> ok = ?S:setopt(A, otp, meta, x) end},
                         {info, fun() -> #{} = ?S:info(A) end},
                         {open, fun() -> {ok, S} = ?S:open(inet, stream, tcp), ok = ?S:close(S) end}],
                %% the first time loads modules, which waits for answers, too
                [Call() || {_, Call} <- Calls],
                process_flag(message_queue_data, off_heap),
                [self() ! N || N <- lists:seq(1, Messages)],
                {ok, _} = ?S:sockname(C),
                [{Name, reductions(Call)} || {Name, Call} <- Calls]
            end),
    ?assertEqual([], [Cost || {_, Reductions} = Cost <- Costs, Reductions > Messages div 2]),
    kill(Actor).

-spec reductions(fun(() -> term())) -> non_neg_integer().
reductions(Call) ->
    {reductions, Before} = process_info(self(), reductions),
    Call(),
    {reductions, After} = process_info(self(), reductions),
    After - Before.

-spec a_request_for_a_recv_is_small_whatever_the_name_of_the_node(config()) -> term().
a_request_for_a_recv_is_small_whatever_the_name_of_the_node(_) ->
    Pid = term_to_binary(self()),
    <<Process:64>> = binary_part(Pid, byte_size(Pid) - 12, 8),
    Integer = gosocket_near:process(self()),
    lists:foreach(fun(Number) -> requests_are_small(Number, Process, Integer) end, [16#1ffffff, 1 bsl 31, 1 bsl 53]).

-spec requests_are_small(Socket :: pos_integer(), Process :: pos_integer(), Integer :: binary()) -> ok.
requests_are_small(Number, Process, Integer) ->
    Subject = <<(gosocket_term:item(Number))/binary, Integer/binary>>,
    Recv = gosocket_request:recv(Subject, 100),
    [Send | <<"data">>] = gosocket_request:send(Subject, 4, <<"data">>),
    [begin
         ?assert(byte_size(Request) =< 64),
         %% OTP 27 counts the bits of a binary on the heap.
         ?assert(lists:member(binary:referenced_byte_size(Request), [byte_size(Request), bit_size(Request)]))
     end || Request <- [Recv, Send]],
    ?assertEqual({recv, Number, Process, 100, [], infinity, []}, binary_to_term(<<131, Recv/binary>>)),
    ?assertEqual({send, Number, Process, [], infinity, [], 4, <<"data">>}, binary_to_term(<<131, Send/binary, "data">>)).
