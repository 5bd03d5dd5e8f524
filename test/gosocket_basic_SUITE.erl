%% Every kind of socket, every call that moves data: the shapes of results when nothing goes wrong.
-module(gosocket_basic_SUITE).

-export([
    man_page_example_client_and_server/1,
    data_crosses_every_kind_of_socket_both_ways/1,
    every_arity_of_send_and_recv_works/1,
    every_arity_of_recvfrom_and_recvmsg_works/1,
    send_takes_nested_iodata/1,
    empty_send_on_tcp_is_ok_and_sends_nothing/1,
    empty_datagram_arrives_empty/1,
    recv_0_with_integer_rcvbuf_gives_one_read/1,
    recv_0_with_tuple_rcvbuf_repeats_full_reads_up_to_n/1,
    recv_0_with_tuple_rcvbuf_stops_at_what_is_there/1,
    recv_n_gathers_odd_pieces/1,
    recv_0_gives_one_datagram/1,
    datagram_larger_than_buffer_is_cut_and_the_rest_lost/1,
    datagram_shorter_than_length_comes_alone/1,
    datagrams_that_fill_a_tuple_rcvbuf_stay_apart/1,
    recvmsg_flags_a_cut_datagram/1,
    recvfrom_uses_a_buffer_beyond_16_bits/1,
    recvfrom_names_the_sender/1,
    recvfrom_on_tcp_has_no_source/1,
    recvmsg_has_addr_iov_ctrl_flags/1,
    recvmsg_of_an_empty_datagram_has_one_empty_binary/1,
    peek_does_not_consume/1,
    peek_of_more_than_there_is_repeats_nothing/1,
    sendto_reaches_its_destination/1,
    sendmsg_gathers_its_iov/1,
    sendmsg_goes_to_its_address/1,
    end_of_stream_is_closed/1,
    end_of_stream_after_part_gives_the_part/1,
    end_of_seqpacket_is_empty_data/1,
    shutdown_write_leaves_reading/1,
    shutdown_read_gives_closed_when_empty/1,
    recv_after_shutdown_read_still_gives_later_data/1,
    names_of_both_ends_agree/1,
    accepted_socket_inherits_buffer_sizes_not_meta/1,
    unread_data_survives_the_close_of_the_sender/1
]).

-define(OURS, [
    datagram_shorter_than_length_comes_alone,
    datagrams_that_fill_a_tuple_rcvbuf_stay_apart,
    recvfrom_uses_a_buffer_beyond_16_bits,
    peek_of_more_than_there_is_repeats_nothing
]).
-include("gosocket_test.hrl").

%% ---- the man page ----

-spec man_page_example_client_and_server(config()) -> term().
man_page_example_client_and_server(_) ->
    {ok, Probe} = ?S:open(inet, stream, tcp),
    {ok, Port} = ?S:bind(Probe, loopback),
    ok = ?S:close(Probe),
    Server = start(fun() -> server({127, 0, 0, 1}, Port) end),
    ok = await_listening(Port),
    Client = start(fun() -> client({127, 0, 0, 1}, {127, 0, 0, 1}, Port) end),
    ?assertEqual(ok, result(Client)),
    ?assertEqual(ok, result(Server)).

%% Lines 1389 to 1413 of the man page.
-spec client(inet:ip4_address(), inet:ip4_address(), inet:port_number()) -> ok.
client(Addr, SAddr, SPort) ->
    {ok, Sock} = ?S:open(inet, stream, tcp),
    {ok, _} = ?S:bind(Sock, #{family => inet,
                              addr   => Addr}),
    ok = ?S:connect(Sock, #{family => inet,
                            addr   => SAddr,
                            port   => SPort}),
    Msg = list_to_binary("hello"),
    ok = ?S:send(Sock, Msg),
    ok = ?S:shutdown(Sock, write),
    {ok, Msg} = ?S:recv(Sock),
    ok = ?S:close(Sock).

-spec server(inet:ip4_address(), inet:port_number()) -> ok.
server(Addr, Port) ->
    {ok, LSock} = ?S:open(inet, stream, tcp),
    {ok, _} = ?S:bind(LSock, #{family => inet,
                               port   => Port,
                               addr   => Addr}),
    ok = ?S:listen(LSock),
    {ok, Sock} = ?S:accept(LSock),
    {ok, Msg} = ?S:recv(Sock),
    ok = ?S:send(Sock, Msg),
    ok = ?S:shutdown(Sock, write),
    ok = ?S:close(Sock),
    ok = ?S:close(LSock).

%% ---- every kind, every arity ----

-spec data_crosses_every_kind_of_socket_both_ways(config()) -> term().
data_crosses_every_kind_of_socket_both_ways(_) ->
    lists:foreach(fun crosses_both_ways/1, kinds()).

-spec crosses_both_ways(gosocket_test_net:kind()) -> ok.
crosses_both_ways(Kind) ->
    {A, B} = pair(Kind),
    [begin
         Data = random(Size),
         ok = ?S:send(From, Data),
         ?assertEqual({Kind, {ok, Data}}, {Kind, ?S:recv(To, 0, ?PATIENCE)})
     end || {From, To} <- [{A, B}, {B, A}], Size <- [1, 100, 4000]],
    close({A, B}).

-spec every_arity_of_send_and_recv_works(config()) -> term().
every_arity_of_send_and_recv_works(_) ->
    {A, B} = pair({local, dgram}),
    To = local_address(B),
    Sends = [fun() -> ?S:send(A, <<"x">>) end, fun() -> ?S:send(A, <<"x">>, []) end,
             fun() -> ?S:send(A, <<"x">>, infinity) end, fun() -> ?S:send(A, <<"x">>, [nosignal], 1000) end,
             fun() -> ?S:sendto(A, <<"x">>, To) end, fun() -> ?S:sendto(A, <<"x">>, To, []) end,
             fun() -> ?S:sendto(A, <<"x">>, To, 1000) end, fun() -> ?S:sendto(A, <<"x">>, To, [], infinity) end],
    Receives = [fun() -> ?S:recv(B) end, fun() -> ?S:recv(B, 0) end, fun() -> ?S:recv(B, 0, []) end,
                fun() -> ?S:recv(B, 0, 1000) end, fun() -> ?S:recv(B, 0, [], infinity) end],
    [begin
         ?assertEqual(ok, Send()),
         ?assertEqual({ok, <<"x">>}, Receive())
     end || Send <- Sends, Receive <- Receives],
    close({A, B}).

-spec every_arity_of_recvfrom_and_recvmsg_works(config()) -> term().
every_arity_of_recvfrom_and_recvmsg_works(_) ->
    {A, B} = pair({inet, dgram}),
    Source = local_address(A),
    Header = #{iov => [<<"x">>]},
    Sends = [fun() -> ?S:sendmsg(A, Header) end, fun() -> ?S:sendmsg(A, Header, []) end,
             fun() -> ?S:sendmsg(A, Header, 1000) end, fun() -> ?S:sendmsg(A, Header, [], infinity) end],
    From = [fun() -> ?S:recvfrom(B) end, fun() -> ?S:recvfrom(B, 10) end, fun() -> ?S:recvfrom(B, [], 1000) end,
            fun() -> ?S:recvfrom(B, 10, []) end, fun() -> ?S:recvfrom(B, 10, infinity) end,
            fun() -> ?S:recvfrom(B, 10, [], 1000) end],
    Messages = [fun() -> ?S:recvmsg(B) end, fun() -> ?S:recvmsg(B, []) end, fun() -> ?S:recvmsg(B, 1000) end,
                fun() -> ?S:recvmsg(B, [], infinity) end, fun() -> ?S:recvmsg(B, 10, 10) end,
                fun() -> ?S:recvmsg(B, 10, 10, [], 1000) end],
    [begin
         ?assertEqual(ok, Send()),
         ?assertEqual({ok, {Source, <<"x">>}}, Receive())
     end || Send <- Sends, Receive <- From],
    [begin
         ?assertEqual(ok, Send()),
         ?assertMatch({ok, #{addr := Source, iov := [<<"x">>]}}, Receive())
     end || Send <- Sends, Receive <- Messages],
    close({A, B}).

%% ---- what is sent ----

-spec send_takes_nested_iodata(config()) -> term().
send_takes_nested_iodata(_) ->
    {A, B} = pair({inet, stream}),
    Data = ["ab", [<<"cd">>, [$e | <<"f">>]], <<>>, [[]]],
    ok = ?S:send(A, Data),
    ?assertEqual({ok, <<"abcdef">>}, ?S:recv(B, 6, ?PATIENCE)),
    close({A, B}).

-spec empty_send_on_tcp_is_ok_and_sends_nothing(config()) -> term().
empty_send_on_tcp_is_ok_and_sends_nothing(_) ->
    {A, B} = pair({inet, stream}),
    ?assertEqual(ok, ?S:send(A, <<>>)),
    ?assertEqual(ok, ?S:send(A, [])),
    ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
    close({A, B}).

-spec empty_datagram_arrives_empty(config()) -> term().
empty_datagram_arrives_empty(_) ->
    {A, B} = pair({inet, dgram}),
    ok = ?S:send(A, <<>>),
    ?assertEqual({ok, <<>>}, ?S:recv(B, 0, ?PATIENCE)),
    close({A, B}).

-spec sendto_reaches_its_destination(config()) -> term().
sendto_reaches_its_destination(_) ->
    lists:foreach(fun(Domain) ->
        From = bound({Domain, dgram}),
        Receivers = [{<<N>>, bound({Domain, dgram})} || N <- [1, 2, 3]],
        [ok = ?S:sendto(From, Data, local_address(To)) || {Data, To} <- Receivers],
        [?assertEqual({ok, Data}, ?S:recv(To, 0, ?PATIENCE)) || {Data, To} <- Receivers],
        close([From | [To || {_, To} <- Receivers]])
    end, [inet, local]).

-spec sendmsg_gathers_its_iov(config()) -> term().
sendmsg_gathers_its_iov(_) ->
    {A, B} = pair({inet, stream}),
    Large = binary:copy(<<"l">>, 300),
    ?assertEqual(ok, ?S:sendmsg(A, #{iov => [<<"ab">>, Large, <<>>, <<"c">>, Large]})),
    ?assertEqual({ok, <<"ab", Large/binary, "c", Large/binary>>}, ?S:recv(B, 603, ?PATIENCE)),
    close({A, B}).

-spec sendmsg_goes_to_its_address(config()) -> term().
sendmsg_goes_to_its_address(_) ->
    From = bound({inet, dgram}),
    To = bound({inet, dgram}),
    Header = #{addr => local_address(To), iov => [<<"one">>, <<"two">>]},
    ?assertEqual(ok, ?S:sendmsg(From, Header)),
    ?assertEqual({ok, {local_address(From), <<"onetwo">>}}, ?S:recvfrom(To, 0, ?PATIENCE)),
    close({From, To}).

%% ---- what is received ----

-spec recv_0_with_integer_rcvbuf_gives_one_read(config()) -> term().
recv_0_with_integer_rcvbuf_gives_one_read(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:send(A, binary:copy(<<"x">>, 20000)),
    ?assertEqual([8192, 8192, 3616], [received(B) || _ <- [1, 2, 3]]),
    close({A, B}).

%% Proves: otp rcvbuf
-spec recv_0_with_tuple_rcvbuf_repeats_full_reads_up_to_n(config()) -> term().
recv_0_with_tuple_rcvbuf_repeats_full_reads_up_to_n(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:setopt(B, otp, rcvbuf, {3, 1000}),
    ok = ?S:send(A, binary:copy(<<"x">>, 7500)),
    ?assertEqual([3000, 3000, 1500], [received(B) || _ <- [1, 2, 3]]),
    close({A, B}).

-spec recv_0_with_tuple_rcvbuf_stops_at_what_is_there(config()) -> term().
recv_0_with_tuple_rcvbuf_stops_at_what_is_there(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:setopt(B, otp, rcvbuf, {3, 1000}),
    ok = ?S:send(A, binary:copy(<<"x">>, 2000)),
    ?assertEqual(2000, received(B)),
    close({A, B}).

-spec received(socket()) -> non_neg_integer().
received(Socket) ->
    {ok, Data} = ?S:recv(Socket, 0, ?PATIENCE),
    byte_size(Data).

%% Each piece is sent when the reader is known to wait for it, so that it arrives alone.
-spec recv_n_gathers_odd_pieces(config()) -> term().
recv_n_gathers_odd_pieces(_) ->
    {A, B} = pair({inet, stream}),
    Sizes = [1, 7, 1023, 1, 8191, 8193, 333, 65537],
    Data = random(lists:sum(Sizes)),
    Reader = start(fun() -> ?S:recv(B, byte_size(Data)) end),
    <<>> = lists:foldl(fun(Size, Left) ->
        {Piece, Rest} = split_binary(Left, Size),
        Read = byte_size(Data) - byte_size(Left),
        wait_until(fun() -> read_bytes(B) =:= Read end),
        ok = ?S:send(A, Piece),
        Rest
    end, Data, Sizes),
    ?assertEqual({ok, Data}, result(Reader)),
    close({A, B}).

-spec read_bytes(socket()) -> non_neg_integer().
read_bytes(Socket) ->
    #{counters := #{read_byte := Bytes}} = ?S:info(Socket),
    Bytes.

-spec recv_0_gives_one_datagram(config()) -> term().
recv_0_gives_one_datagram(_) ->
    {A, B} = pair({inet, dgram}),
    [ok = ?S:send(A, Data) || Data <- [<<"one">>, <<"two">>, <<"three">>]],
    ?assertEqual([{ok, <<"one">>}, {ok, <<"two">>}, {ok, <<"three">>}], [?S:recv(B, 0, ?PATIENCE) || _ <- [1, 2, 3]]),
    close({A, B}).

-spec datagram_larger_than_buffer_is_cut_and_the_rest_lost(config()) -> term().
datagram_larger_than_buffer_is_cut_and_the_rest_lost(_) ->
    {A, B} = pair({inet, dgram}),
    Receives = [{<<"abcd">>, fun() -> ?S:recv(B, 4, ?PATIENCE) end},
                {{local_address(A), <<"abc">>}, fun() -> ?S:recvfrom(B, 3, ?PATIENCE) end},
                {<<"abcde">>, fun() -> ok = ?S:setopt(B, otp, rcvbuf, 5), ?S:recv(B, 0, ?PATIENCE) end}],
    [begin
         ok = ?S:send(A, <<"abcdefgh">>),
         ok = ?S:send(A, <<"next">>),
         ?assertEqual({ok, Cut}, Receive()),
         ?assertEqual({ok, <<"next">>}, ?S:recv(B, 4, ?PATIENCE))
     end || {Cut, Receive} <- Receives],
    close({A, B}).

-spec datagram_shorter_than_length_comes_alone(config()) -> term().
datagram_shorter_than_length_comes_alone(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        [ok = ?S:send(A, Data) || Data <- [<<"abcd">>, <<"efghij">>]],
        ?assertEqual({Kind, {ok, <<"abcd">>}}, {Kind, ?S:recv(B, 10, ?PATIENCE)}),
        ?assertEqual({Kind, {ok, <<"efghij">>}}, {Kind, ?S:recv(B, 100, 0)}),
        close({A, B})
    end, [{inet, dgram}, {local, dgram}, {local, seqpacket}]).

-spec datagrams_that_fill_a_tuple_rcvbuf_stay_apart(config()) -> term().
datagrams_that_fill_a_tuple_rcvbuf_stay_apart(_) ->
    {A, B} = pair({inet, dgram}),
    ok = ?S:setopt(B, otp, rcvbuf, {3, 4}),
    [ok = ?S:send(A, Data) || Data <- [<<"abcd">>, <<"efgh">>]],
    ?assertEqual([{ok, <<"abcd">>}, {ok, <<"efgh">>}], [?S:recv(B, 0, ?PATIENCE) || _ <- [1, 2]]),
    close({A, B}).

-spec recvmsg_flags_a_cut_datagram(config()) -> term().
recvmsg_flags_a_cut_datagram(_) ->
    {A, B} = pair({local, dgram}),
    ok = ?S:send(A, <<"abcdefgh">>),
    ?assertMatch({ok, #{iov := [<<"abc">>], flags := [trunc]}}, ?S:recvmsg(B, 3, 0)),
    ok = ?S:send(A, <<"abcdefgh">>),
    ?assertMatch({ok, #{iov := [<<"abcdefgh">>], flags := []}}, ?S:recvmsg(B, 8, 0)),
    close({A, B}).

-spec recvfrom_uses_a_buffer_beyond_16_bits(config()) -> term().
recvfrom_uses_a_buffer_beyond_16_bits(_) ->
    {A, B} = pair({local, dgram}),
    Data = random(70000),
    ok = ?S:send(A, Data),
    ?assertMatch({ok, {_, Data}}, ?S:recvfrom(B, 65536 + 8192, ?PATIENCE)),
    ok = ?S:send(A, Data),
    ?assertMatch({ok, #{iov := [Data]}}, ?S:recvmsg(B, 65536 + 8192, 0)),
    close({A, B}).

-spec recvfrom_names_the_sender(config()) -> term().
recvfrom_names_the_sender(_) ->
    [begin
         {A, B} = pair({Domain, dgram}),
         ok = ?S:send(A, <<"x">>),
         {ok, {Source, <<"x">>}} = ?S:recvfrom(B, 0, ?PATIENCE),
         ?assertEqual(local_address(A), Source),
         close({A, B})
     end || {Domain, dgram} <- kinds()].

-spec recvfrom_on_tcp_has_no_source(config()) -> term().
recvfrom_on_tcp_has_no_source(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, {undefined, <<"x">>}}, ?S:recvfrom(B)),
    close({A, B}).

-spec recvmsg_has_addr_iov_ctrl_flags(config()) -> term().
recvmsg_has_addr_iov_ctrl_flags(_) ->
    [begin
         {A, B} = pair(Kind),
         ok = ?S:send(A, <<"x">>),
         ?assertEqual({ok, #{addr => Source(A), iov => [<<"x">>], ctrl => [], flags => []}}, ?S:recvmsg(B)),
         close({A, B})
     end || {Kind, Source} <- [{{inet, stream}, fun(_) -> undefined end},
                               {{local, stream}, fun(_) -> undefined end},
                               {{local, seqpacket}, fun(_) -> undefined end},
                               {{inet, dgram}, fun gosocket_test_net:local_address/1},
                               {{local, dgram}, fun gosocket_test_net:local_address/1}]].

-spec recvmsg_of_an_empty_datagram_has_one_empty_binary(config()) -> term().
recvmsg_of_an_empty_datagram_has_one_empty_binary(_) ->
    {A, B} = pair({inet, dgram}),
    ok = ?S:send(A, <<>>),
    ?assertMatch({ok, #{iov := [<<>>]}}, ?S:recvmsg(B, ?PATIENCE)),
    close({A, B}).

-spec peek_does_not_consume(config()) -> term().
peek_does_not_consume(_) ->
    [begin
         {A, B} = pair(Kind),
         ok = ?S:send(A, <<"abcd">>),
         ?assertEqual({ok, <<"ab">>}, ?S:recv(B, 2, [peek])),
         ?assertMatch({ok, {_, <<"abcd">>}}, ?S:recvfrom(B, 0, [peek])),
         ?assertMatch({ok, #{iov := [<<"abcd">>]}}, ?S:recvmsg(B, [peek], ?PATIENCE)),
         ?assertEqual({ok, <<"abcd">>}, ?S:recv(B, 4)),
         close({A, B})
     end || Kind <- [{inet, stream}, {local, stream}, {inet, dgram}]].

-spec peek_of_more_than_there_is_repeats_nothing(config()) -> term().
peek_of_more_than_there_is_repeats_nothing(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"abcd">>),
    {ok, <<"abcd">>} = ?S:recv(B, 4, [peek]),
    case ?S:recv(B, 10, [peek], 100) of
        {ok, Data} -> ?assertEqual(<<"abcd">>, Data);
        {error, Reason} -> ?assertEqual({timeout, <<"abcd">>}, Reason)
    end,
    ?assertEqual({ok, <<"abcd">>}, ?S:recv(B, 4)),
    close({A, B}).

%% ---- ends ----

-spec end_of_stream_is_closed(config()) -> term().
end_of_stream_is_closed(_) ->
    [begin
         {A, B} = pair(Kind),
         ok = ?S:close(A),
         ?assertEqual({error, closed}, ?S:recv(B, 0, ?PATIENCE)),
         ?assertEqual({error, closed}, ?S:recv(B, 7)),
         ?assertEqual({error, closed}, ?S:recvmsg(B)),
         close(B)
     end || Kind <- stream_kinds()].

-spec end_of_stream_after_part_gives_the_part(config()) -> term().
end_of_stream_after_part_gives_the_part(_) ->
    [begin
         {A, B} = pair(Kind),
         Reader = start(fun() -> ?S:recv(B, 100) end),
         ok = ?S:send(A, <<"part">>),
         ok = ?S:close(A),
         ?assertEqual({error, {closed, <<"part">>}}, result(Reader)),
         ?assertEqual({error, closed}, ?S:recv(B, 100)),
         close(B)
     end || Kind <- stream_kinds()].

-spec end_of_seqpacket_is_empty_data(config()) -> term().
end_of_seqpacket_is_empty_data(_) ->
    {A, B} = pair({local, seqpacket}),
    ok = ?S:close(A),
    ?assertEqual({ok, <<>>}, ?S:recv(B, 0, ?PATIENCE)),
    close(B).

-spec shutdown_write_leaves_reading(config()) -> term().
shutdown_write_leaves_reading(_) ->
    [begin
         {A, B} = pair(Kind),
         ok = ?S:shutdown(A, write),
         ?assertEqual(ok, ?S:shutdown(A, write)),
         ?assertEqual({error, closed}, ?S:recv(B, 0, ?PATIENCE)),
         ?assertEqual({error, {epipe, 1}}, ?S:send(A, <<"x">>)),
         ?assertEqual({error, epipe}, ?S:sendmsg(A, #{iov => [<<"x">>]})),
         ok = ?S:send(B, <<"still">>),
         ?assertEqual({ok, <<"still">>}, ?S:recv(A, 5, ?PATIENCE)),
         close({A, B})
     end || Kind <- stream_kinds()].

-spec shutdown_read_gives_closed_when_empty(config()) -> term().
shutdown_read_gives_closed_when_empty(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:shutdown(B, read),
    ?assertEqual({error, closed}, ?S:recv(B, 0, ?PATIENCE)),
    ?assertEqual(ok, ?S:shutdown(B, read_write)),
    close({A, B}).

-spec recv_after_shutdown_read_still_gives_later_data(config()) -> term().
recv_after_shutdown_read_still_gives_later_data(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:shutdown(B, read),
    ok = ?S:send(A, <<"later">>),
    ?assertEqual({ok, <<"later">>}, ?S:recv(B, 5, ?PATIENCE)),
    close({A, B}).

-spec unread_data_survives_the_close_of_the_sender(config()) -> term().
unread_data_survives_the_close_of_the_sender(_) ->
    {A, B} = pair({inet, stream}),
    Data = random(50000),
    ok = ?S:send(A, Data),
    ok = ?S:close(A),
    ?assertEqual(Data, drain(B)),
    close(B).

%% ---- names, inheritance ----

-spec names_of_both_ends_agree(config()) -> term().
names_of_both_ends_agree(_) ->
    [begin
         {A, B} = pair(Kind),
         ?assertEqual({Kind, ?S:sockname(A)}, {Kind, ?S:peername(B)}),
         ?assertEqual({Kind, ?S:sockname(B)}, {Kind, ?S:peername(A)}),
         close({A, B})
     end || Kind <- kinds()].

-spec accepted_socket_inherits_buffer_sizes_not_meta(config()) -> term().
accepted_socket_inherits_buffer_sizes_not_meta(_) ->
    Options = [{rcvbuf, {4, 2000}}, {rcvctrlbuf, 700}, {sndctrlbuf, 800}, {iow, true}],
    Listener = listener({inet, stream}),
    [ok = ?S:setopt(Listener, otp, Key, Value) || {Key, Value} <- [{meta, mine} | Options]],
    Client = unconnected({inet, stream}),
    Accepted = accepted(Listener, Client),
    ?assertEqual([{Key, {ok, Value}} || {Key, Value} <- Options],
                 [{Key, ?S:getopt(Accepted, otp, Key)} || {Key, _} <- Options]),
    ?assertEqual({ok, undefined}, ?S:getopt(Accepted, otp, meta)),
    close([Listener, Client, Accepted]).
