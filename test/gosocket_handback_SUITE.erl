%% Nothing is lost with its reader, and nothing comes twice.
-module(gosocket_handback_SUITE).

-export([
    bytes_survive_a_reader_killed_before_delivery/1,
    bytes_for_a_reader_already_dead_survive/1,
    part_of_a_timed_out_recv_survives_its_reader/1,
    datagram_survives_a_reader_killed_before_delivery/1,
    connection_survives_an_acceptor_killed_before_delivery/1,
    handed_back_bytes_come_before_later_ones/1,
    handed_back_data_fire_an_armed_select/1,
    handed_back_data_are_seen_by_peek/1,
    peeked_data_are_not_handed_back/1,
    data_of_a_reader_that_ends_at_once_come_once/1,
    connection_of_an_acceptor_that_ends_at_once_comes_once/1,
    connection_of_an_acceptor_that_ends_while_the_lane_is_busy_comes_once/1,
    stream_keeps_its_order_while_readers_are_killed/1
]).

-define(OURS, [
    bytes_survive_a_reader_killed_before_delivery,
    bytes_for_a_reader_already_dead_survive,
    part_of_a_timed_out_recv_survives_its_reader,
    datagram_survives_a_reader_killed_before_delivery,
    connection_survives_an_acceptor_killed_before_delivery,
    handed_back_bytes_come_before_later_ones,
    handed_back_data_fire_an_armed_select,
    handed_back_data_are_seen_by_peek,
    peeked_data_are_not_handed_back,
    connection_of_an_acceptor_that_ends_while_the_lane_is_busy_comes_once
]).
-include("gosocket_test.hrl").

%% A connected socket of ours with a peer of the VM.
-spec tcp_with_foreign_peer() -> {socket(), gen_tcp:socket()}.
tcp_with_foreign_peer() ->
    Listener = listener({inet, stream}),
    #{port := Port} = local_address(Listener),
    {ok, Peer} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}, {nodelay, true}]),
    {ok, Socket} = ?S:accept(Listener, ?PATIENCE),
    close(Listener),
    {Socket, Peer}.

-spec blocked_reader(socket(), fun(() -> term())) -> gosocket_test_lib:call().
blocked_reader(Socket, Call) ->
    #{num_readers := N} = ?S:info(Socket),
    Reader = start(Call),
    await_parked(Socket, num_readers, N + 1),
    Reader.

-spec bytes_survive_a_reader_killed_before_delivery(config()) -> term().
bytes_survive_a_reader_killed_before_delivery(_) ->
    [begin
         {Socket, Peer} = tcp_with_foreign_peer(),
         Data = random(Size),
         Reader = blocked_reader(Socket, fun() -> ?S:recv(Socket, Size) end),
         killed_before_delivery(Reader, fun() -> gen_tcp:send(Peer, Data) end),
         ?assertEqual({ok, Data}, ?S:recv(Socket, Size, ?PATIENCE)),
         ok = gen_tcp:close(Peer),
         close(Socket)
     end || Size <- [1, 5000, 200000, 3 bsl 20]].

-spec bytes_for_a_reader_already_dead_survive(config()) -> term().
bytes_for_a_reader_already_dead_survive(_) ->
    {Socket, Peer} = tcp_with_foreign_peer(),
    {Reader, _} = blocked_reader(Socket, fun() -> ?S:recv(Socket, 0) end),
    with_lane_suspended(fun() ->
        kill(Reader),
        ok = gen_tcp:send(Peer, <<"data">>),
        await_frame(lane())
    end),
    ?assertEqual({ok, <<"data">>}, ?S:recv(Socket, 4, ?PATIENCE)),
    ok = gen_tcp:close(Peer),
    close(Socket).

-spec part_of_a_timed_out_recv_survives_its_reader(config()) -> term().
part_of_a_timed_out_recv_survives_its_reader(_) ->
    {Socket, Peer} = tcp_with_foreign_peer(),
    ok = gen_tcp:send(Peer, <<"part">>),
    Reader = blocked_reader(Socket, fun() -> ?S:recv(Socket, 10, 100) end),
    killed_before_delivery(Reader, fun() -> ok end),
    ok = gen_tcp:send(Peer, <<"whole!">>),
    ?assertEqual({ok, <<"partwhole!">>}, ?S:recv(Socket, 10, ?PATIENCE)),
    ok = gen_tcp:close(Peer),
    close(Socket).

-spec datagram_survives_a_reader_killed_before_delivery(config()) -> term().
datagram_survives_a_reader_killed_before_delivery(_) ->
    Socket = bound({inet, dgram}),
    #{port := Port} = local_address(Socket),
    {ok, Peer} = gen_udp:open(0, [binary, {ip, {127, 0, 0, 1}}]),
    {ok, PeerPort} = inet:port(Peer),
    Source = #{family => inet, addr => {127, 0, 0, 1}, port => PeerPort},
    [begin
         Reader = blocked_reader(Socket, Call),
         killed_before_delivery(Reader, fun() ->
             ok = gen_udp:send(Peer, {127, 0, 0, 1}, Port, <<"first">>),
             gen_udp:send(Peer, {127, 0, 0, 1}, Port, <<"second">>)
         end),
         ?assertEqual({ok, {Source, <<"first">>}}, ?S:recvfrom(Socket, 0, ?PATIENCE)),
         ?assertMatch({ok, #{addr := Source, iov := [<<"second">>], flags := []}}, ?S:recvmsg(Socket, ?PATIENCE))
     end || Call <- [fun() -> ?S:recv(Socket, 0) end, fun() -> ?S:recvfrom(Socket) end, fun() -> ?S:recvmsg(Socket) end]],
    ok = gen_udp:close(Peer),
    close(Socket).

-spec connection_survives_an_acceptor_killed_before_delivery(config()) -> term().
connection_survives_an_acceptor_killed_before_delivery(_) ->
    Listener = listener({inet, stream}),
    #{port := Port} = local_address(Listener),
    Acceptor = start(fun() -> ?S:accept(Listener) end),
    await_parked(Listener, num_acceptors, 1),
    {ok, Peer} = killed_before_delivery_of_connection(Acceptor, Port),
    {ok, Server} = ?S:accept(Listener, ?PATIENCE),
    ok = gen_tcp:send(Peer, <<"hello">>),
    ?assertEqual({ok, <<"hello">>}, ?S:recv(Server, 5, ?PATIENCE)),
    Owner = self(),
    ?assertMatch(#{ctrl := Owner}, ?S:info(Server)),
    ok = gen_tcp:close(Peer),
    close({Listener, Server}).

-spec killed_before_delivery_of_connection(gosocket_test_lib:call(), inet:port_number()) -> {ok, gen_tcp:socket()}.
killed_before_delivery_of_connection({Acceptor, _}, Port) ->
    with_lane_suspended(fun() ->
        Connected = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
        await_frame(lane()),
        kill(Acceptor),
        Connected
    end).

-spec handed_back_bytes_come_before_later_ones(config()) -> term().
handed_back_bytes_come_before_later_ones(_) ->
    {Socket, Peer} = tcp_with_foreign_peer(),
    First = blocked_reader(Socket, fun() -> ?S:recv(Socket, 3) end),
    Second = blocked_reader(Socket, fun() -> ?S:recv(Socket, 9) end),
    killed_before_delivery(First, fun() -> gen_tcp:send(Peer, <<"abcdefghi">>) end),
    ?assertEqual({ok, <<"abcdefghi">>}, result(Second)),
    ok = gen_tcp:close(Peer),
    close(Socket).

-spec handed_back_data_fire_an_armed_select(config()) -> term().
handed_back_data_fire_an_armed_select(_) ->
    {Socket, Peer} = tcp_with_foreign_peer(),
    First = blocked_reader(Socket, fun() -> ?S:recv(Socket, 3) end),
    {select, SelectInfo} = ?S:recv(Socket, 0, nowait),
    killed_before_delivery(First, fun() -> gen_tcp:send(Peer, <<"abc">>) end),
    await_select(Socket, SelectInfo),
    ?assertEqual({ok, <<"abc">>}, ?S:recv(Socket, 0, nowait)),
    ok = gen_tcp:close(Peer),
    close(Socket).

-spec handed_back_data_are_seen_by_peek(config()) -> term().
handed_back_data_are_seen_by_peek(_) ->
    {Socket, Peer} = tcp_with_foreign_peer(),
    Reader = blocked_reader(Socket, fun() -> ?S:recv(Socket, 3) end),
    killed_before_delivery(Reader, fun() -> gen_tcp:send(Peer, <<"abc">>) end),
    ?assertEqual({ok, <<"ab">>}, ?S:recv(Socket, 2, [peek], ?PATIENCE)),
    ?assertEqual({ok, <<"abc">>}, ?S:recv(Socket, 0, 0)),
    ok = gen_tcp:close(Peer),
    close(Socket).

-spec peeked_data_are_not_handed_back(config()) -> term().
peeked_data_are_not_handed_back(_) ->
    {Socket, Peer} = tcp_with_foreign_peer(),
    Reader = blocked_reader(Socket, fun() -> ?S:recv(Socket, 3, [peek]) end),
    killed_before_delivery(Reader, fun() -> gen_tcp:send(Peer, <<"abc">>) end),
    ?assertEqual({ok, <<"abc">>}, ?S:recv(Socket, 3, ?PATIENCE)),
    ?assertEqual({error, timeout}, ?S:recv(Socket, 0, 50)),
    ok = gen_tcp:close(Peer),
    close(Socket).

%% Whoever had its result and is no more when the lane looks was alive when it mattered.
-spec data_of_a_reader_that_ends_at_once_come_once(config()) -> term().
data_of_a_reader_that_ends_at_once_come_once(_) ->
    [begin
         {A, B} = pair(Kind),
         [begin
              Reader = start(fun() -> ?S:recv(B, 4) end),
              ok = ?S:send(A, <<N:32>>),
              ?assertEqual({ok, <<N:32>>}, result(Reader))
          end || N <- lists:seq(1, 200)],
         ?assertEqual({error, timeout}, ?S:recv(B, 4, 0)),
         close({A, B})
     end || Kind <- [{inet, stream}, {local, dgram}]].

-spec connection_of_an_acceptor_that_ends_at_once_comes_once(config()) -> term().
connection_of_an_acceptor_that_ends_at_once_comes_once(_) ->
    Listener = listener({inet, stream}),
    [begin
         Acceptor = start(fun() -> ?S:accept(Listener) end),
         Client = unconnected({inet, stream}),
         ok = ?S:connect(Client, local_address(Listener)),
         {ok, _} = result(Acceptor),
         ?assertEqual({error, closed}, ?S:recv(Client, 0, ?PATIENCE)),
         close(Client)
     end || _ <- lists:seq(1, 100)],
    ?assertEqual({error, timeout}, ?S:accept(Listener, 0)),
    close(Listener).

%% Before it has read all of its mailbox the lane tells the helper nothing: of the death it learns first.
-spec connection_of_an_acceptor_that_ends_while_the_lane_is_busy_comes_once(config()) -> term().
connection_of_an_acceptor_that_ends_while_the_lane_is_busy_comes_once(_) ->
    Listener = listener({inet, stream}),
    #{port := Port} = local_address(Listener),
    [begin
         Acceptor = start(fun() -> ?S:accept(Listener) end),
         await_parked(Listener, num_acceptors, 1),
         {ok, Peer} = with_lane_suspended(fun() ->
             Connected = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
             await_frame(lane()),
             [lane() ! {nothing, N} || N <- lists:seq(1, 50000)],
             Connected
         end),
         {ok, _} = result(Acceptor),
         ?assertEqual({error, closed}, gen_tcp:recv(Peer, 0, ?PATIENCE)),
         ok = gen_tcp:close(Peer)
     end || _ <- lists:seq(1, 3)],
    ?assertEqual({error, timeout}, ?S:accept(Listener, 0)),
    close(Listener).

%% What a killed reader had got is lost with it, and nothing else: no byte comes twice, or behind those after it.
-spec stream_keeps_its_order_while_readers_are_killed(config()) -> term().
stream_keeps_its_order_while_readers_are_killed(_) ->
    [begin
         Seed = rand:uniform(1 bsl 30),
         ct:log("~p, seed ~w", [Kind, Seed]),
         rand:seed(exsss, Seed),
         kill_readers(Kind, Size)
     end || Kind <- stream_kinds(), Size <- [7000, 16 bsl 20]].

-spec kill_readers(term(), pos_integer()) -> ok.
kill_readers(Kind, Size) ->
    {A, B} = pair(Kind),
    Whole = numbered(Size),
    Writer = start(fun() -> [ok = ?S:send(A, Slice) || Slice <- slices(Whole)], ?S:shutdown(A, write) end),
    Readers = [reader(B) || _ <- lists:seq(1, 3)],
    {Pieces, Kills} = reap(B, Readers, [], 0),
    ok = result(Writer),
    check(Whole, 0, lists:sort([{offset(Piece, Whole), Data} || {_, Data} = Piece <- Pieces]), Kills),
    close({A, B}).

%% Eight bytes of each eight tell where they are.
-spec numbered(pos_integer()) -> binary().
numbered(Size) ->
    << <<16#ffffff:24, N:40>> || N <- lists:seq(0, Size div 8 - 1) >>.

-spec slices(binary()) -> [binary()].
slices(<<Slice:50000/binary, Rest/binary>>) -> [Slice | slices(Rest)];
slices(Rest) -> [Rest].

-spec reader(socket()) -> pid().
reader(Socket) ->
    Collector = self(),
    Seed = rand:uniform(1 bsl 30),
    spawn(fun() -> rand:seed(exsss, Seed), read(Socket, Collector) end).

%% None but the last is so short that its place could not be told.
-type piece() :: {piece | last, binary()}.

-spec read(socket(), pid()) -> ok.
read(Socket, Collector) ->
    Length = lists:nth(rand:uniform(5), [16, 40, 5000, 300000, 2 bsl 20]),
    case ?S:recv(Socket, Length) of
        {ok, Data} ->
            Collector ! {piece, Data},
            read(Socket, Collector);
        {error, {closed, Data}} ->
            Collector ! {last, Data},
            ok;
        {error, closed} ->
            ok
    end.

%% Kills one after the other until there was enough of it, and gathers what comes until the last one hears of the end.
-spec reap(socket(), [pid()], [piece()], non_neg_integer()) -> {[piece()], non_neg_integer()}.
reap(_Socket, [], Pieces, Kills) ->
    {gathered(Pieces), Kills};
reap(Socket, [Reader | Others], Pieces, Kills) when Kills < 150 ->
    Monitor = monitor(process, Reader),
    case rand:uniform(3) of
        1 -> ok;
        2 -> erlang:yield();
        3 -> timer:sleep(1)
    end,
    exit(Reader, kill),
    receive
        {'DOWN', Monitor, process, _, killed} ->
            reap(Socket, Others ++ [reader(Socket)], Pieces, Kills + 1);
        {'DOWN', Monitor, process, _, _} ->
            reap(Socket, Others, gathered(Pieces), Kills)
    end;
reap(Socket, [Reader | Others], Pieces, Kills) ->
    Monitor = monitor(process, Reader),
    receive
        {'DOWN', Monitor, process, _, normal} -> reap(Socket, Others, Pieces, Kills);
        {'DOWN', Monitor, process, _, noproc} -> reap(Socket, Others, Pieces, Kills)
    after ?PATIENCE ->
        ct:fail({reader_hears_of_no_end, ?S:info(Socket)})
    end.

-spec gathered([piece()]) -> [piece()].
gathered(Pieces) ->
    receive
        {How, _} = Piece when How =:= piece; How =:= last -> gathered([Piece | Pieces])
    after 0 ->
        Pieces
    end.

-spec offset(piece(), Whole :: binary()) -> integer().
offset({last, Data}, Whole) ->
    byte_size(Whole) - byte_size(Data);
offset({piece, Data}, _Whole) ->
    {At, _} = binary:match(Data, <<16#ffffff00:32>>),
    <<_:At/binary, 16#ffffff:24, N:40, _/binary>> = Data,
    N * 8 - At.

%% As many holes as kills, and nothing twice.
-spec check(binary(), non_neg_integer(), [{integer(), binary()}], Holes :: integer()) -> ok.
check(_Whole, _End, [], Holes) ->
    ?assert(Holes >= 0),
    ok;
check(Whole, End, [{Offset, Data} | Rest], Holes) ->
    ?assert(Offset >= End),
    ?assertEqual(binary:part(Whole, Offset, byte_size(Data)), Data),
    check(Whole, Offset + byte_size(Data), Rest, Holes - case Offset of End -> 0; _ -> 1 end).
