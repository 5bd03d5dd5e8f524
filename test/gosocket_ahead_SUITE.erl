%% Receive-ahead. The judge is a plain socket: random programs of calls give the same answers and the same bytes with copies
%% and without. GOSOCKET_AHEAD_SEED repeats a run, GOSOCKET_AHEAD_PROGRAMS lengthens one.
-module(gosocket_ahead_SUITE).

-export([
    tcp_answers_as_a_plain_socket/1,
    tcp_over_inet6_answers_as_a_plain_socket/1,
    local_stream_answers_as_a_plain_socket/1,
    tcp_answers_as_a_plain_socket_when_its_peer_sends_ahead/1,
    local_stream_answers_as_a_plain_socket_when_its_peer_sends_ahead/1,
    receives_are_served_from_copies/1,
    all_there_is_comes_from_a_copy_only_when_rcvbuf_of_it_are_there/1,
    copies_are_off_by_option_and_accepted_sockets_inherit_it/1,
    sockets_of_any_number_have_copies/1,
    no_result_keeps_a_copy_alive/1,
    unused_copy_is_dropped/1,
    what_was_taken_is_told_soon/1,
    reader_killed_between_two_receives_takes_nothing_with_it/1,
    body_too_large_for_a_copy_makes_copies_rare/1
]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [actor/0, run/2, cast/2, answer/1, kill/1, outcome/1, wait_until/1, await_parked/3, await_select/2, random/1,
                            has_ipv6/0, skip_unless/2]).
-import(gosocket_test_net, [pair/1, listener/2, unconnected/1, accepted/2, close/1]).

-define(ABSENT, "the reference has no receive-ahead").
-define(WITH_HOME, true).
-include("gosocket_test_nodes.hrl").

-define(PROGRAMS, 40).
-define(STEPS, 60).
-define(ACTORS, 4).

%% ---- programs ----

%% One socket with copies and one without, which have been through the same.
-record(world,
        {sockets :: [{gosocket:socket(), gosocket:socket(), Actors :: [pid()]}],
         local :: boolean(),
         elsewhere :: node(),
         %% bytes that were sent, urgent ones included, and those that were not read yet
         sent = 0 :: non_neg_integer(),
         there = 0 :: non_neg_integer(),
         %% whether all of them are known to have arrived
         arrived = true :: boolean(),
         ended = false :: boolean(),
         shut = false :: boolean(),
         %% whether there was an urgent byte: of two, the first may become data
         urgent = false :: boolean(),
         trace = [] :: [term()]}).

-spec tcp_answers_as_a_plain_socket(config()) -> term().
tcp_answers_as_a_plain_socket(Config) -> programs({inet, stream}, 0, Config).

-spec tcp_over_inet6_answers_as_a_plain_socket(config()) -> term().
tcp_over_inet6_answers_as_a_plain_socket(Config) ->
    skip_unless(has_ipv6(), "no IPv6 here"),
    programs({inet6, stream}, 0, Config).

-spec local_stream_answers_as_a_plain_socket(config()) -> term().
local_stream_answers_as_a_plain_socket(Config) -> programs({local, stream}, 0, Config).

-spec tcp_answers_as_a_plain_socket_when_its_peer_sends_ahead(config()) -> term().
tcp_answers_as_a_plain_socket_when_its_peer_sends_ahead(Config) -> programs({inet, stream}, 6000, Config).

-spec local_stream_answers_as_a_plain_socket_when_its_peer_sends_ahead(config()) -> term().
local_stream_answers_as_a_plain_socket_when_its_peer_sends_ahead(Config) -> programs({local, stream}, 6000, Config).

-spec programs(gosocket_test_net:kind(), SendAhead :: non_neg_integer(), config()) -> ok.
programs(Kind, SendAhead, Config) ->
    Seed = list_to_integer(os:getenv("GOSOCKET_AHEAD_SEED", integer_to_list(erlang:unique_integer() + os:system_time()))),
    Programs = list_to_integer(os:getenv("GOSOCKET_AHEAD_PROGRAMS", integer_to_list(?PROGRAMS))),
    ct:timetrap({seconds, 60 + Programs}),
    ct:pal("GOSOCKET_AHEAD_SEED=~b", [Seed]),
    _ = rand:seed(exsplus, Seed),
    Saved = lists:sum([program(Kind, SendAhead, home(Config)) || _ <- lists:seq(1, Programs)]),
    ct:pal("~b system calls saved", [Saved]),
    %% or the programs have tried nothing
    ?assert(Saved > Programs).

-spec program(gosocket_test_net:kind(), SendAhead :: non_neg_integer(), node()) -> integer().
program({Domain, _} = Kind, SendAhead, Elsewhere) ->
    Sockets = [begin {A, B} = pair(Kind), {A, B, [actor() || _ <- lists:seq(1, ?ACTORS)]} end || _ <- [ahead, plain]],
    [{Sender, _, _}, {_, Plain, _}] = Sockets,
    ok = ?S:setopt(Sender, otp, send_ahead, SendAhead),
    ok = ?S:setopt(Plain, otp, receive_ahead, 0),
    Steps = rand:uniform(?STEPS),
    World = lists:foldl(fun(_, World) -> step(action(rand:uniform(100), World), World) end,
                        #world{sockets = Sockets, local = Domain =:= local, elsewhere = Elsewhere}, lists:seq(1, Steps)),
    Rest = case World#world.shut orelse rand:uniform(3) > 1 of
               true -> finish(World);
               false -> abandoned(World)
           end,
    [Ahead, Alone] = [tries(B) || {_, B, _} <- Rest#world.sockets],
    lists:foreach(fun({A, B, Actors}) -> close(A), _ = ?S:close(B), lists:foreach(fun gosocket_test_lib:kill/1, Actors) end,
                  Rest#world.sockets),
    Alone - Ahead.

-spec tries(gosocket:socket()) -> non_neg_integer().
tries(Socket) ->
    #{counters := #{read_tries := Tries}} = ?S:info(Socket),
    Tries.

-spec action(1..100, #world{}) -> tuple().
action(N, #world{ended = false}) when N =< 15 ->
    {send, actor_number(), any([infinity, infinity, infinity, 0, nowait, message, elsewhere]), random(any([1, 10, 100, 1000, 5000, 20000]))};
action(N, #world{there = There}) when N =< 40, There > 40 -> {sips, actor_number(), any([1, 2, 4, 40])};
action(N, #world{there = There}) when N =< 43, There > 80 -> {together, any([2, 10, 20])};
action(N, #world{there = There}) when N =< 65, There > 0 -> {recv, actor_number(), min(There, any([1, 2, 4, 10, 10, 100, 3000])), any([infinity, infinity, nowait, 0, 1000])};
action(N, #world{there = There}) when N =< 70, There > 0 -> {recv, actor_number(), 0, any([infinity, 0])};
action(N, _) when N =< 72 -> {recv, actor_number(), any([5, 500, 50000]), 0};
action(N, #world{there = There}) when N =< 74, There < 10000 -> {parked, actor_number(), There};
action(N, _) when N =< 77 -> {peek, actor_number(), any([1, 20, 0])};
action(N, #world{there = There}) when N =< 79, There > 0 -> {any([recvmsg, recvfrom]), actor_number(), any([1, 50])};
action(N, #world{there = There}) when N =< 81, There > 0 -> {elsewhere, min(There, any([1, 30]))};
action(N, _) when N =< 84 -> {set, otp, rcvbuf, any([10, 100, 8192, {3, 20}])};
action(N, _) when N =< 86 -> any([{set, socket, rcvlowat, 1}, {set, socket, rcvbuf, 100000}]);
action(N, #world{local = true}) when N =< 87 -> {set, socket, peek_off, any([0, -1])};
action(N, #world{local = false, ended = false, urgent = false}) when N =< 88 -> {urgent};
action(N, #world{local = true, ended = false}) when N =< 88 -> {rights};
action(N, _) when N =< 90 -> {counters};
action(N, _) when N =< 93 -> {kill, actor_number()};
action(N, _) when N =< 94 -> any([{pause, any([12, 30])}, {selected, actor_number()}]);
action(N, #world{ended = false}) when N =:= 95 -> {finish};
action(N, _) when N =:= 96 -> any([{shutdown_read}, {counters}, {counters}]);
action(_, _) -> {counters}.

-spec any([Element]) -> Element.
any(List) -> lists:nth(rand:uniform(length(List)), List).

-spec actor_number() -> 1..?ACTORS.
actor_number() -> rand:uniform(?ACTORS).

-spec step(tuple(), #world{}) -> #world{}.
step(Action, #world{trace = Trace} = World) ->
    Traced = World#world{trace = [Action | Trace]},
    try
        act(Action, Traced)
    catch
        Class:Reason:Stack ->
            ct:pal("~b bytes are there, behind ~p", [World#world.there, lists:map(fun short/1, Traced#world.trace)]),
            erlang:raise(Class, Reason, Stack)
    end.

-spec short(tuple()) -> tuple().
short({send, N, How, Data}) -> {send, N, How, byte_size(Data)};
short(Action) -> Action.

-spec act(tuple(), #world{}) -> #world{}.
act({send, N, How, Data}, #world{there = There, elsewhere = Node} = World) when There + byte_size(Data) < 30000 ->
    ok = same(World, fun(A, _, Actors) -> run(lists:nth(N, Actors), fun() -> send(How, A, Data, Node) end) end),
    sent(byte_size(Data), World);
act({send, _, _, _}, World) ->
    World;
act({recv, N, Length, Timeout}, #world{there = There} = World) when Length > 0, Length =< There, Timeout =:= infinity ->
    %% however little has arrived
    {ok, Data} = same(World, by(N, fun(B) -> plain(B, ?S:recv(B, Length)) end)),
    ?assertEqual(Length, byte_size(Data)),
    World#world{there = There - Length};
act({recv, N, Length, Timeout}, World) ->
    taken(same(arrived(World), by(N, fun(B) -> plain(B, ?S:recv(B, Length, Timeout)) end)), arrived(World));
act({sips, N, Length}, #world{there = There} = World) ->
    Sips = min(20, There div Length),
    Got = same(World, by(N, fun(B) -> [element(2, {ok, _} = ?S:recv(B, Length)) || _ <- lists:seq(1, Sips)] end)),
    World#world{there = There - iolist_size(Got)};
act({together, Sips}, #world{there = There} = World) ->
    %% who gets which byte is open, but all of them come once
    Got = same(World, fun(_, B, Actors) ->
                   Calls = [cast(Actor, fun() -> [element(2, {ok, _} = ?S:recv(B, 1)) || _ <- lists:seq(1, Sips)] end)
                            || Actor <- Actors],
                   lists:sort(binary_to_list(iolist_to_binary([answer(Call) || Call <- Calls])))
               end),
    World#world{there = There - length(Got)};
act({parked, N, There}, #world{ended = false, shut = false} = World) ->
    %% one more than is there, and somebody behind it
    Calls = [{B, cast(lists:nth(N, Actors), fun() -> ?S:recv(B, There + 1) end)} || {_, B, Actors} <- World#world.sockets],
    lists:foreach(fun({B, _}) -> await_parked(B, num_readers, 1) end, Calls),
    Other = N rem ?ACTORS + 1,
    {error, timeout} = same(World, by(Other, fun(B) -> plain(B, ?S:recv(B, 1, 0)) end)),
    ok = same(World, fun(A, _, _) -> ?S:send(A, <<"more">>) end),
    [Data, Data] = [answer(Call) || {_, Call} <- Calls],
    {ok, Bytes} = Data,
    taken({ok, Bytes}, sent(4, World));
act({parked, _, _}, World) ->
    World;
act({selected, N}, #world{there = There, ended = false, shut = false} = World) ->
    %% less is there than is asked for; the kernel stops at an urgent byte and at descriptors, too
    {Part, _} = same(arrived(World), fun(A, B, Actors) ->
                             run(lists:nth(N, Actors), fun() ->
                                 {Part, Info} = parted(?S:recv(B, There + 1, nowait)),
                                 ok = ?S:send(A, <<"more">>),
                                 await_select(B, Info),
                                 {Part, element(2, {ok, _} = ?S:recv(B, 4))}
                             end)
                         end),
    (sent(4, World))#world{there = There - byte_size(Part)};
act({selected, _}, World) ->
    World;
act({peek, N, Length}, World) ->
    _ = same(arrived(World), by(N, fun(B) -> plain(B, ?S:recv(B, Length, [peek], 0)) end)),
    arrived(World);
act({recvmsg, N, Length}, World) ->
    taken(same(arrived(World), by(N, fun(B) -> message(?S:recvmsg(B, Length, 0, [], 0)) end)), arrived(World));
act({recvfrom, N, Length}, World) ->
    taken(same(arrived(World), by(N, fun(B) -> message(?S:recvfrom(B, Length, [], 0)) end)), arrived(World));
act({elsewhere, Length}, #world{elsewhere = Node, there = There} = World) ->
    {ok, Data} = same(World, fun(_, B, _) -> erpc:call(Node, ?S, recv, [B, Length]) end),
    ?assertEqual(Length, byte_size(Data)),
    World#world{there = There - Length};
act({set, Level, Key, Value}, World) ->
    _ = same(World, fun(_, B, _) -> ?S:setopt(B, Level, Key, Value) end),
    World;
act({urgent}, World) ->
    ok = same(arrived(World), fun(A, _, _) -> ?S:send(A, <<"!">>, [oob]) end),
    #world{there = There} = Sent = arrived(sent(1, World)),
    _ = same(Sent, fun(_, B, _) -> ?S:recv(B, 1, [oob], 0) end),
    Sent#world{there = There - 1, urgent = true};
act({rights}, World) ->
    _ = same(World, fun(A, _, _) ->
                 {ok, FD} = ?S:getopt(A, otp, fd),
                 ?S:sendmsg(A, #{iov => [<<"fd">>], ctrl => [#{level => socket, type => rights, data => <<FD:32/native>>, lane => A}]})
             end),
    sent(2, World);
act({counters}, World) ->
    _ = same(World, fun(_, B, _) -> counters(?S:info(B)) end),
    World;
act({kill, N}, #world{sockets = Sockets} = World) ->
    World#world{sockets = [{A, B, replaced(N, Actors)} || {A, B, Actors} <- Sockets]};
act({pause, Milliseconds}, World) ->
    timer:sleep(Milliseconds),
    World;
act({finish}, World) ->
    ok = same(World, fun(A, _, _) -> ?S:shutdown(A, write) end),
    World#world{ended = true};
act({shutdown_read}, #world{local = true} = World) ->
    World;
act({shutdown_read}, World) ->
    _ = same(arrived(World), fun(_, B, _) -> ?S:shutdown(B, read) end),
    (arrived(World))#world{shut = true}.

-spec sent(pos_integer(), #world{}) -> #world{}.
sent(Bytes, #world{sent = Sent, there = There} = World) ->
    World#world{sent = Sent + Bytes, there = There + Bytes, arrived = false}.

-spec replaced(pos_integer(), [pid()]) -> [pid()].
replaced(N, Actors) ->
    kill(lists:nth(N, Actors)),
    lists:sublist(Actors, N - 1) ++ [actor()] ++ lists:nthtail(N, Actors).

%% What both answer, who have to answer alike.
-spec same(#world{}, fun((gosocket:socket(), gosocket:socket(), [pid()]) -> Answer)) -> Answer.
same(#world{sockets = [{A, B, Actors}, {PlainA, PlainB, PlainActors}]}, Fun) ->
    Answer = Fun(A, B, Actors),
    ?assertEqual(Fun(PlainA, PlainB, PlainActors), Answer),
    Answer.

-spec by(pos_integer(), fun((gosocket:socket()) -> Answer)) -> fun((gosocket:socket(), gosocket:socket(), [pid()]) -> Answer).
by(N, Fun) ->
    fun(_, B, Actors) -> run(lists:nth(N, Actors), fun() -> Fun(B) end) end.

%% Without the reference of a select, which is taken back.
-spec plain(gosocket:socket(), term()) -> term().
plain(B, {select, Info}) -> {select, ?S:cancel(B, Info)};
plain(B, {ok, {Data, Info}}) -> {part, Data, ?S:cancel(B, Info)};
plain(_, Answer) -> Answer.

-spec parted(term()) -> {binary(), gosocket:select_info()}.
parted({select, Info}) -> {<<>>, Info};
parted({ok, {Part, Info}}) -> {Part, Info}.

-spec send(infinity | 0 | nowait | message | elsewhere, gosocket:socket(), binary(), node()) -> term().
send(message, A, Data, _) -> ?S:sendmsg(A, #{iov => [Data]});
send(elsewhere, A, Data, Node) -> erpc:call(Node, ?S, send, [A, Data]);
send(Timeout, A, Data, _) -> ?S:send(A, Data, Timeout).

-spec message(term()) -> term().
message({ok, #{iov := [Data]}}) -> {ok, Data};
message({ok, {_Source, Data}}) -> {ok, Data};
message(Answer) -> Answer.

-spec taken(term(), #world{}) -> #world{}.
taken({ok, Data}, #world{there = There} = World) -> World#world{there = There - byte_size(Data)};
taken({part, Data, ok}, #world{there = There} = World) -> World#world{there = There - byte_size(Data)};
taken({error, {_, Data}}, #world{there = There} = World) -> World#world{there = There - byte_size(Data)};
taken({error, _}, World) -> World;
taken({select, ok}, World) -> World.

%% What a call finds that does not wait depends on what has arrived: all of it, then. A local socket has it
%% when it is sent, and it is sent ahead of what is asked about the sender then.
-spec arrived(#world{}) -> #world{}.
arrived(#world{arrived = false, local = false, sent = Sent, sockets = Sockets} = World) ->
    lists:foreach(fun({_, B, _}) -> wait_until(fun() -> received(B) >= Sent end) end, Sockets),
    World#world{arrived = true};
arrived(#world{sockets = Sockets} = World) ->
    [{ok, _} = ?S:getopt(A, socket, type) || {A, _, _} <- Sockets],
    World#world{arrived = true}.

%% tcpi_bytes_received of TCP_INFO.
-spec received(gosocket:socket()) -> non_neg_integer().
received(Socket) ->
    {ok, <<_:128/binary, Received:64/native, _/binary>>} = ?S:getopt(Socket, 6, {11, 200}),
    Received.

-spec counters(map()) -> map().
counters(#{counters := Counters}) -> maps:with([read_byte, read_pkg, read_pkg_max], Counters).

%% A close with bytes unread resets the connection, one without does not: the kernel has what nobody has taken, and no more.
-spec abandoned(#world{}) -> #world{}.
abandoned(World) ->
    _ = same(arrived(World), fun(A, B, _) ->
                 ok = ?S:close(B),
                 {counters(?S:info(B)), ?S:recv(A, 1, ?PATIENCE)}
             end),
    World.

%% The rest comes, and then the end; the final counters are the same.
-spec finish(#world{}) -> #world{}.
finish(#world{ended = false} = World) ->
    finish(step({finish}, World));
finish(#world{there = There} = World) when There > 0 ->
    finish(step({recv, 1, There, infinity}, World));
finish(World) ->
    _ = same(World, by(1, fun(B) -> ?S:recv(B, 1) end)),
    step({counters}, World).

%% ---- what copies do, and what they do not ----

-spec served(gosocket:socket(), gosocket:socket(), pos_integer()) -> Tries :: non_neg_integer().
served(A, B, Length) ->
    Data = random(10 * Length),
    ok = ?S:send(A, Data),
    {ok, _} = ?S:recv(B, 10 * Length, [peek], ?PATIENCE),
    Before = tries(B),
    Got = [element(2, {ok, _} = ?S:recv(B, Length)) || _ <- lists:seq(1, 10)],
    ?assertEqual(Data, iolist_to_binary(Got)),
    tries(B) - Before.

%% The first copy of a socket only tells that there are any.
-spec receives_are_served_from_copies(config()) -> term().
receives_are_served_from_copies(_) ->
    lists:foreach(fun receives_are_served_from_copies_of/1, gosocket_test_net:stream_kinds()).

-spec receives_are_served_from_copies_of(gosocket_test_net:kind()) -> ok.
receives_are_served_from_copies_of(Kind) ->
    {A, B} = pair(Kind),
    _ = served(A, B, 100),
    Tries = [served(A, B, Length) || Length <- [1, 50, 99]],
    %% a receive, a copy of the rest, and one system call when that is used up; and that peek, which counts as well
    ?assert(lists:all(fun(N) -> N =< 4 end, Tries), {Kind, Tries}),
    Closed = (fun() -> ok = ?S:close(B), ?S:info(B) end)(),
    ?assertMatch(#{counters := #{read_byte := 5000, read_pkg := 44, read_pkg_max := 100}}, Closed),
    close(A).

-spec all_there_is_comes_from_a_copy_only_when_rcvbuf_of_it_are_there(config()) -> term().
all_there_is_comes_from_a_copy_only_when_rcvbuf_of_it_are_there(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:setopt(B, otp, rcvbuf, 100),
    Data = random(250),
    lists:foreach(fun(_) ->
                      ok = ?S:send(A, Data),
                      ?assertEqual([{ok, binary_part(Data, 0, 100)}, {ok, binary_part(Data, 100, 100)}, {ok, binary_part(Data, 200, 50)}],
                                   [?S:recv(B) || _ <- [1, 2, 3]])
                  end, [1, 2, 3]),
    close(A),
    close(B).

%% Proves: otp receive_ahead
-spec copies_are_off_by_option_and_accepted_sockets_inherit_it(config()) -> term().
copies_are_off_by_option_and_accepted_sockets_inherit_it(_) ->
    Listener = listener({inet, stream}, fun(Socket) -> ?S:setopt(Socket, otp, receive_ahead, 0) end),
    A = unconnected({inet, stream}),
    B = accepted(Listener, A),
    ?assertEqual({ok, 0}, ?S:getopt(B, otp, receive_ahead)),
    ?assertEqual([10, 10], [served(A, B, 10) || _ <- [1, 2]]),
    ok = ?S:setopt(B, otp, receive_ahead, default),
    ?assertEqual({ok, 65536}, ?S:getopt(B, otp, receive_ahead)),
    _ = served(A, B, 10),
    ?assert(served(A, B, 10) =< 4),
    ok = ?S:setopt(B, otp, debug, false),
    ?assertError({invalid, _}, ?S:setopt(B, otp, receive_ahead, -1)),
    ?assertEqual([ok, {error, einval}, {error, einval}], [?S:setopt(B, otp, receive_ahead, Size) || Size <- [65536, 65537, 1 bsl 31]]),
    lists:foreach(fun gosocket_test_net:close/1, [A, B, Listener]).

%% The helper's numbers grow with each socket that a place had before.
-spec sockets_of_any_number_have_copies(config()) -> term().
sockets_of_any_number_have_copies(_) ->
    {A, B} = pair_above(1 bsl 31),
    _ = served(A, B, 10),
    ?assert(served(A, B, 10) =< 4),
    close(A),
    close(B).

-spec pair_above(pos_integer()) -> {gosocket:socket(), gosocket:socket()}.
pair_above(Least) ->
    {A, B} = pair({local, stream}),
    case [Number || {'$socket', Handle} <- [A, B], {_, Number} <- [gosocket_handle:place(Handle)], Number < Least] of
        [] -> {A, B};
        _ -> close(A), close(B), pair_above(Least)
    end.

-spec no_result_keeps_a_copy_alive(config()) -> term().
no_result_keeps_a_copy_alive(_) ->
    {A, B} = pair({inet, stream}),
    _ = served(A, B, 100),
    ok = ?S:send(A, random(20000)),
    Results = [element(2, {ok, _} = ?S:recv(B, Length)) || Length <- [1, 64, 65, 200, 1000, 3000, 1]],
    [?assert(binary:referenced_byte_size(Result) =< 2 * byte_size(Result) + 1024) || Result <- Results],
    close(A),
    close(B).

%% What it had is the kernel's, who has to be asked again.
-spec unused_copy_is_dropped(config()) -> term().
unused_copy_is_dropped(_) ->
    {A, B} = pair({local, stream}),
    _ = served(A, B, 100),
    ok = ?S:send(A, <<"abcdef">>),
    {ok, <<"a">>} = ?S:recv(B, 1),
    wait_until(fun() -> not has_copy() end),
    Before = tries(B),
    ?assertEqual({ok, <<"bcdef">>}, ?S:recv(B, 5)),
    ?assert(tries(B) > Before),
    close(A),
    close(B).

-spec has_copy() -> boolean().
has_copy() ->
    {dictionary, Dictionary} = process_info(gosocket_test_lib:lane(), dictionary),
    [Key || {Key, Copy} <- Dictionary, is_integer(Key), Key < 0, is_tuple(Copy)] =/= [].

%% The peer's window opens though nobody calls: it can send what it could not.
-spec what_was_taken_is_told_soon(config()) -> term().
what_was_taken_is_told_soon(_) ->
    {A, B} = gosocket_test_net:small_pair({local, stream}),
    _ = served(A, B, 100),
    _ = gosocket_test_net:fill(A),
    {error, {timeout, 1}} = ?S:send(A, <<"x">>, 0),
    Taken = take_from_copies(B, 0),
    ?assert(Taken > 0),
    ok = ?S:send(A, random(Taken div 2), ?PATIENCE),
    close(A),
    close(B).

%% Until at least half a kilobyte was taken of copies, one of which is not used up.
-spec take_from_copies(gosocket:socket(), non_neg_integer()) -> pos_integer().
take_from_copies(B, Taken) ->
    {ok, _} = ?S:recv(B, 64),
    case Taken > 6000 andalso has_copy() of
        true -> Taken + 64;
        false -> take_from_copies(B, Taken + 64)
    end.

-spec reader_killed_between_two_receives_takes_nothing_with_it(config()) -> term().
reader_killed_between_two_receives_takes_nothing_with_it(_) ->
    {A, B} = pair({inet, stream}),
    _ = served(A, B, 10),
    Data = random(3000),
    ok = ?S:send(A, Data),
    Self = self(),
    Got = [begin
               {Reader, Monitor} = spawn_monitor(fun() -> reads(B, Self) end),
               Mine = receive {Reader, First} -> First end,
               exit(Reader, kill),
               receive {'DOWN', Monitor, process, Reader, killed} -> ok end,
               [Mine | flushed(Reader)]
           end || _ <- lists:seq(1, 20)],
    Size = iolist_size(Got),
    %% what a killed reader has got and not passed on is lost with it, here as everywhere: one result at most each
    {ok, Rest} = ?S:recv(B, 0, 0),
    ?assert(Size + byte_size(Rest) >= 3000 - 20),
    ?assertEqual(Rest, binary_part(Data, 3000, -byte_size(Rest))),
    close(A),
    close(B).

-spec reads(gosocket:socket(), pid()) -> no_return().
reads(B, To) ->
    {ok, Byte} = ?S:recv(B, 1),
    To ! {self(), Byte},
    reads(B, To).

-spec flushed(pid()) -> [binary()].
flushed(Reader) ->
    receive {Reader, Byte} -> [Byte | flushed(Reader)] after 0 -> [] end.

%% A header and a body that no copy can have: the copies are not made much longer.
-spec body_too_large_for_a_copy_makes_copies_rare(config()) -> term().
body_too_large_for_a_copy_makes_copies_rare(_) ->
    {A, B} = pair({local, stream}),
    Body = random(100000),
    Before = tries(B),
    lists:foreach(fun(_) ->
                      {Sender, Monitor} = spawn_monitor(fun() -> ok = ?S:send(A, <<"head">>), ok = ?S:send(A, Body) end),
                      {ok, <<"head">>} = ?S:recv(B, 4),
                      ?assertEqual({ok, Body}, ?S:recv(B, 100000)),
                      receive {'DOWN', Monitor, process, Sender, normal} -> ok end
                  end, lists:seq(1, 100)),
    ct:pal("~b system calls", [tries(B) - Before]),
    close(A),
    close(B).
