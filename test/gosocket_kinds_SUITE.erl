%% Kinds of sockets beyond TCP, UDP and Unix streams: raw sockets, protocols by number, ping sockets, seqpacket.
-module(gosocket_kinds_SUITE).

-export([
    echo_request_on_a_raw_socket_is_answered/1,
    echo_request_on_a_raw_inet6_socket_is_answered/1,
    icmp6_filter_is_a_native_option/1,
    echo_request_on_a_ping_socket_is_answered/1,
    raw_protocol_by_number_carries_data/1,
    raw_protocol_255_takes_whole_packets/1,
    connected_raw_socket_hears_its_peer_only/1,
    every_raw_socket_of_a_protocol_gets_a_copy/1,
    bind_of_a_raw_socket_gives_its_protocol/1,
    raw_protocols_are_told_by_number/1,
    raw_protocols_that_cannot_be_are_an_error/1,
    tcp_and_udp_by_number_are_tcp_and_udp/1,
    udplite_by_number_carries_datagrams/1,
    mptcp_by_number_connects/1,
    seqpacket_keeps_messages_apart_and_in_order/1,
    seqpacket_message_larger_than_the_buffer_is_cut/1,
    seqpacket_has_connections_and_their_end/1,
    seqpacket_sends_one_message_or_nothing/1
]).

-define(OURS, [
    bind_of_a_raw_socket_gives_its_protocol,
    raw_protocols_that_cannot_be_are_an_error,
    seqpacket_sends_one_message_or_nothing,
    icmp6_filter_is_a_native_option,
    echo_request_on_a_ping_socket_is_answered,
    raw_protocol_255_takes_whole_packets,
    raw_protocols_are_told_by_number,
    seqpacket_keeps_messages_apart_and_in_order
]).
-import(gosocket_test_msg, [set/2, checksum/1]).
-include("gosocket_test.hrl").

-define(ICMPV6, {raw, 58}).
%% For experiments (RFC 3692).
-define(EXPERIMENT, {raw, 253}).

-spec open(inet | inet6, atom(), term()) -> socket().
open(Domain, Type, Protocol) ->
    skip_unless(Domain =:= inet orelse has_ipv6(), "no IPv6 on loopback"),
    case ?S:open(Domain, Type, Protocol) of
        {ok, Socket} -> Socket;
        {error, eperm} -> throw({skip, "raw sockets need CAP_NET_RAW"});
        {error, Reason} -> throw({skip, lists:concat(["not in this kernel: ", Reason])})
    end.

-spec domains() -> [inet | inet6].
domains() -> [inet] ++ [inet6 || has_ipv6()].

%% ---- ICMP ----

%% What is sent to loopback comes to every raw socket of the protocol: the request, the answer, and those of others.
-spec await_packet(socket(), binary()) -> binary().
await_packet(Socket, Part) ->
    {ok, {_, Packet}} = ?S:recvfrom(Socket, 0, ?PATIENCE),
    case binary:match(Packet, Part) of
        nomatch -> await_packet(Socket, Part);
        _ -> Packet
    end.

%% Unique, so that it is nobody else's.
-spec payload() -> binary().
payload() -> list_to_binary(unique()).

%% RFC 792: echo 8, echo reply 0. A raw socket receives the IP header too (raw(7)).
-spec echo_request_on_a_raw_socket_is_answered(config()) -> term().
echo_request_on_a_raw_socket_is_answered(_) ->
    Socket = open(inet, raw, icmp),
    Payload = payload(),
    Request = checksum(<<8, 0, 0:16, 7:16, 1:16, Payload/binary>>),
    ok = ?S:sendto(Socket, Request, #{family => inet, addr => loopback}),
    <<16#45, _:8/binary, 1, _:2/binary, 127, 0, 0, 1, 127, 0, 0, 1, 8, _/binary>> = await_packet(Socket, Payload),
    <<16#45, _:8/binary, 1, _:2/binary, 127, 0, 0, 1, 127, 0, 0, 1, 0, 0, _:16, 7:16, 1:16, Payload/binary>> =
        await_packet(Socket, Payload),
    close(Socket).

%% RFC 4443: echo request 128, echo reply 129; no IP header, and the kernel sees to the checksum (RFC 3542).
-spec echo_request_on_a_raw_inet6_socket_is_answered(config()) -> term().
echo_request_on_a_raw_inet6_socket_is_answered(_) ->
    Socket = open(inet6, raw, ?ICMPV6),
    Payload = payload(),
    ok = ?S:sendto(Socket, <<128, 0, 0:16, 7:16, 1:16, Payload/binary>>, #{family => inet6, addr => loopback}),
    <<128, 0, _:16, 7:16, 1:16, Payload/binary>> = await_packet(Socket, Payload),
    <<129, 0, _:16, 7:16, 1:16, Payload/binary>> = await_packet(Socket, Payload),
    close(Socket).

%% RFC 3542, ICMP6_FILTER (level 58, option 1): a bit that is set blocks its type.
-spec icmp6_filter_is_a_native_option(config()) -> term().
icmp6_filter_is_a_native_option(_) ->
    Socket = open(inet6, raw, ?ICMPV6),
    AllBut129 = << <<(case Word of 4 -> bnot (1 bsl 1); _ -> -1 end):32/native>> || Word <- lists:seq(0, 7) >>,
    set(Socket, [{58, 1, AllBut129}]),
    ?assertEqual({ok, AllBut129}, ?S:getopt(Socket, 58, {1, 32})),
    Payload = payload(),
    ok = ?S:sendto(Socket, <<128, 0, 0:16, 7:16, 1:16, Payload/binary>>, #{family => inet6, addr => loopback}),
    <<129, _/binary>> = await_packet(Socket, Payload),
    close(Socket).

%% icmp(7), ping_group_range: without any capability, for groups in that range. The kernel chooses the identifier, and tells
%% it as the port.
-spec echo_request_on_a_ping_socket_is_answered(config()) -> term().
echo_request_on_a_ping_socket_is_answered(_) ->
    case ?S:open(inet, dgram, icmp) of
        {ok, Probe} ->
            close(Probe),
            pings(#{});
        {error, eacces} ->
            gosocket_test_netns:alone(fun(#{name := Name} = Host) ->
                "" = gosocket_test_netns:exec(Host, "sh -c 'echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range' 2>&1"),
                pings(#{netns => Name})
            end)
    end.

-spec pings(map()) -> ok.
pings(Opts) ->
    lists:foreach(fun({Domain, Protocol, Request, Reply}) ->
        {ok, Socket} = ?S:open(Domain, dgram, Protocol, Opts),
        Payload = payload(),
        ok = ?S:sendto(Socket, <<Request, 0, 0:32, 1:16, Payload/binary>>, #{family => Domain, addr => loopback}),
        #{port := Identifier} = local_address(Socket),
        ?assertMatch({ok, <<Reply, 0, _:16, Identifier:16, 1:16, Payload/binary>>}, ?S:recv(Socket, 0, ?PATIENCE)),
        close(Socket)
    end, [{inet, icmp, 8, 0}] ++ [{inet6, ?ICMPV6, 128, 129} || has_ipv6()]).

%% ---- any protocol ----

-spec raw_protocol_by_number_carries_data(config()) -> term().
raw_protocol_by_number_carries_data(_) ->
    [begin
         Socket = open(Domain, raw, ?EXPERIMENT),
         Payload = payload(),
         ok = ?S:sendto(Socket, Payload, #{family => Domain, addr => loopback}),
         {ok, {#{family := Domain, port := Port}, Packet}} = ?S:recvfrom(Socket, 0, ?PATIENCE),
         ?assertEqual({Domain, 0}, {Domain, Port}),
         ?assertEqual({Domain, Payload}, {Domain, body(Domain, Packet)}),
         close(Socket)
     end || Domain <- domains()].

%% raw(7): with the IP header for IPv4, without for IPv6.
-spec body(inet | inet6, binary()) -> binary().
body(inet, <<4:4, Words:4, _/binary>> = Packet) -> binary:part(Packet, 4 * Words, byte_size(Packet) - 4 * Words);
body(inet6, Packet) -> Packet.

%% raw(7), IPPROTO_RAW: send only, with a header of one's own, whose source is anybody's.
-spec raw_protocol_255_takes_whole_packets(config()) -> term().
raw_protocol_255_takes_whole_packets(_) ->
    [begin
         Sender = open(inet, raw, Raw),
         ?assertEqual({ok, true}, ?S:getopt(Sender, ip, hdrincl)),
         Receiver = open(inet, raw, ?EXPERIMENT),
         Payload = payload(),
         Packet = <<16#45, 0, (20 + byte_size(Payload)):16, 0:32, 64, 253, 0:16, 127, 9, 8, 7, 127, 0, 0, 1, Payload/binary>>,
         ok = ?S:sendto(Sender, Packet, #{family => inet, addr => loopback}),
         {ok, {#{addr := Source}, Received}} = ?S:recvfrom(Receiver, 0, ?PATIENCE),
         ?assertEqual({{127, 9, 8, 7}, Payload}, {Source, body(inet, Received)}),
         close({Sender, Receiver})
     end || Raw <- [raw, {raw, 255}]].

-spec connected_raw_socket_hears_its_peer_only(config()) -> term().
connected_raw_socket_hears_its_peer_only(_) ->
    Socket = open(inet, raw, ?EXPERIMENT),
    ok = ?S:connect(Socket, #{family => inet, addr => {127, 0, 0, 2}}),
    [Friend, Stranger] = [begin
                              Other = open(inet, raw, ?EXPERIMENT),
                              {ok, 253} = ?S:bind(Other, #{family => inet, addr => Addr}),
                              Other
                          end || Addr <- [{127, 0, 0, 2}, {127, 0, 0, 3}]],
    #{addr := Here} = local_address(Socket),
    [ok = ?S:sendto(From, Data, #{family => inet, addr => Here}) || {From, Data} <- [{Stranger, <<"no">>}, {Friend, <<"yes">>}]],
    {ok, Packet} = ?S:recv(Socket, 0, ?PATIENCE),
    ?assertEqual(<<"yes">>, body(inet, Packet)),
    ok = ?S:send(Socket, <<"hello">>),
    {ok, Answer} = ?S:recv(Friend, 0, ?PATIENCE),
    ?assertEqual(<<"hello">>, body(inet, Answer)),
    close([Socket, Friend, Stranger]).

-spec every_raw_socket_of_a_protocol_gets_a_copy(config()) -> term().
every_raw_socket_of_a_protocol_gets_a_copy(_) ->
    Sockets = [open(inet, raw, ?EXPERIMENT) || _ <- [1, 2, 3]],
    Payload = payload(),
    ok = ?S:sendto(hd(Sockets), Payload, #{family => inet, addr => loopback}),
    [begin
         {ok, Packet} = ?S:recv(Socket, 0, ?PATIENCE),
         ?assertEqual(Payload, body(inet, Packet))
     end || Socket <- Sockets],
    close(Sockets).

-spec bind_of_a_raw_socket_gives_its_protocol(config()) -> term().
bind_of_a_raw_socket_gives_its_protocol(_) ->
    [begin
         Socket = open(Domain, raw, Protocol),
         ?assertEqual({Domain, Protocol, {ok, Number}}, {Domain, Protocol, ?S:bind(Socket, loopback)}),
         close(Socket)
     end || {Domain, Protocol, Number} <- [{inet, icmp, 1}, {inet, ?EXPERIMENT, 253}, {inet6, ?ICMPV6, 58}],
            lists:member(Domain, domains())].

-spec raw_protocols_are_told_by_number(config()) -> term().
raw_protocols_are_told_by_number(_) ->
    [begin
         Socket = open(inet, raw, Protocol),
         ?assertMatch({Protocol, #{type := raw, protocol := Number}}, {Protocol, ?S:info(Socket)}),
         ?assertEqual({Protocol, Named}, {Protocol, ?S:getopt(Socket, socket, protocol)}),
         close(Socket)
     end || {Protocol, Number, Named} <- [{icmp, 1, {ok, icmp}}, {igmp, 2, {ok, igmp}}, {raw, 255, {ok, raw}}, {{raw, 255}, 255, {ok, raw}},
                                          {tcp, tcp, {ok, tcp}}, {udp, udp, {ok, udp}}, {?EXPERIMENT, 253, {error, {unknown, 253}}}]].

-spec raw_protocols_that_cannot_be_are_an_error(config()) -> term().
raw_protocols_that_cannot_be_are_an_error(_) ->
    close(open(inet, raw, icmp)),
    [?assertEqual({Protocol, {error, Reason}}, {Protocol, ?S:open(inet, raw, Protocol)})
     || {Protocol, Reason} <- [{default, eprotonosupport}, {ip, eprotonosupport}, {{raw, 0}, eprotonosupport}, {{raw, 100000}, einval}]],
    [?assertEqual({error, {invalid, {protocol, Protocol}}}, outcome(fun() -> ?S:open(inet, raw, Protocol) end))
     || Protocol <- [{raw, -1}, {raw, 1 bsl 31}, {raw, foo}, {raw, 1, 2}, foo, 1]].

-spec tcp_and_udp_by_number_are_tcp_and_udp(config()) -> term().
tcp_and_udp_by_number_are_tcp_and_udp(_) ->
    [begin
         {ok, Socket} = ?S:open(inet, Type, {raw, Number}),
         ?assertMatch({Name, #{protocol := Name}}, {Name, ?S:info(Socket)}),
         ?assertEqual({ok, Name}, ?S:getopt(Socket, socket, protocol)),
         close(Socket)
     end || {Type, Number, Name} <- [{stream, 6, tcp}, {dgram, 17, udp}]].

-spec udplite_by_number_carries_datagrams(config()) -> term().
udplite_by_number_carries_datagrams(_) ->
    [A, B] = [open(inet, dgram, {raw, 136}) || _ <- [1, 2]],
    {ok, _} = ?S:bind(B, loopback),
    ok = ?S:sendto(A, <<"data">>, local_address(B)),
    ?assertEqual({ok, <<"data">>}, ?S:recv(B, 0, ?PATIENCE)),
    close({A, B}).

-spec mptcp_by_number_connects(config()) -> term().
mptcp_by_number_connects(_) ->
    Listener = open(inet, stream, {raw, 262}),
    {ok, _} = ?S:bind(Listener, loopback),
    ok = ?S:listen(Listener),
    Client = open(inet, stream, {raw, 262}),
    Server = accepted(Listener, Client),
    Data = random(300000),
    Writer = start(fun() -> ?S:send(Client, Data) end),
    ?assertEqual({ok, Data}, ?S:recv(Server, byte_size(Data), ?PATIENCE)),
    ?assertEqual(ok, result(Writer)),
    ok = ?S:shutdown(Client, write),
    ?assertEqual({error, closed}, ?S:recv(Server, 1, ?PATIENCE)),
    close([Listener, Client, Server]).

%% ---- seqpacket ----

-spec seqpacket_keeps_messages_apart_and_in_order(config()) -> term().
seqpacket_keeps_messages_apart_and_in_order(_) ->
    {A, B} = pair({local, seqpacket}),
    Messages = [random(Size) || Size <- [1, 3000, 2, 4000, 7]],
    [ok = ?S:send(A, Message) || Message <- Messages],
    ?assertEqual(Messages, [element(2, ?S:recv(B, 5000, ?PATIENCE)) || _ <- Messages]),
    close({A, B}).

-spec seqpacket_message_larger_than_the_buffer_is_cut(config()) -> term().
seqpacket_message_larger_than_the_buffer_is_cut(_) ->
    {A, B} = pair({local, seqpacket}),
    [ok = ?S:send(A, Message) || Message <- [<<"first">>, <<"second">>]],
    ?assertMatch({ok, #{iov := [<<"fi">>], flags := [trunc], addr := undefined}}, ?S:recvmsg(B, 2, 0, [], ?PATIENCE)),
    ?assertMatch({ok, #{iov := [<<"second">>], flags := []}}, ?S:recvmsg(B, ?PATIENCE)),
    close({A, B}).

-spec seqpacket_has_connections_and_their_end(config()) -> term().
seqpacket_has_connections_and_their_end(_) ->
    Listener = listener({local, seqpacket}),
    Client = unconnected({local, seqpacket}),
    ?assertEqual({error, {enotconn, 1}}, ?S:send(Client, <<"x">>)),
    Server = accepted(Listener, Client),
    ?assertEqual({ok, local_address(Listener)}, ?S:peername(Client)),
    ok = ?S:send(Client, <<"last">>),
    close(Client),
    ?assertEqual({ok, <<"last">>}, ?S:recv(Server, 0, ?PATIENCE)),
    ?assertEqual({ok, <<>>}, ?S:recv(Server, 0, ?PATIENCE)),
    ?assertEqual({error, {epipe, 1}}, ?S:send(Server, <<"x">>)),
    close({Listener, Server}).

-spec seqpacket_sends_one_message_or_nothing(config()) -> term().
seqpacket_sends_one_message_or_nothing(_) ->
    {A, B} = pair({local, seqpacket}),
    {ok, Room} = ?S:getopt(A, socket, sndbuf),
    ?assertEqual({error, {emsgsize, 2 * Room}}, ?S:send(A, binary:copy(<<"x">>, 2 * Room))),
    ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
    _ = fill(A),
    ?assertEqual({error, {timeout, 4096}}, ?S:send(A, binary:copy(<<"x">>, 4096), 10)),
    close({A, B}).
