%% Packet sockets (packet(7)), which the man page of the API does not have: between the two ends of a veth pair.
-module(gosocket_packet_SUITE).

-export([
    raw_frame_arrives_with_the_address_of_its_sender/1,
    dgram_gets_its_header_from_the_kernel/1,
    pkttype_says_for_whom_a_frame_was/1,
    pkttype_of_our_own_frames_is_outgoing/1,
    otherhost_is_seen_by_the_promiscuous/1,
    ethertype_chooses_what_arrives/1,
    protocol_0_gets_nothing_until_it_is_bound/1,
    bound_to_an_interface_hears_that_one/1,
    sockname_is_a_link_layer_address/1,
    info_tells_the_ethertype/1,
    recvmsg_gives_address_flags_and_auxdata/1,
    waiting_and_nowait_work_as_elsewhere/1,
    statistics_count_what_came/1,
    descriptor_of_a_packet_socket_tells_its_ethertype/1,
    address_fields_have_ranges/1,
    link_layer_addresses_are_for_packet_sockets_only/1,
    other_addresses_are_not_for_packet_sockets/1,
    errors_are_the_kernels/1
]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-import(gosocket_test_msg, [set/2]).
-import(gosocket_test_netns, [with_hosts/1, ifindex/1, mac/1]).
-include("gosocket_test.hrl").

%% For experiments (IEEE 802).
-define(EXPERIMENT, 16#88b5).
-define(OTHER, 16#88b6).
-define(ALL, 3).
-define(ETHERNET, 1). % ARPHRD_ETHER
-define(BROADCAST, <<-1:48>>).

-spec open(gosocket_test_netns:host(), raw | dgram, non_neg_integer()) -> socket().
open(Host, Type, EtherType) ->
    gosocket_test_netns:open(Host, packet, Type, {raw, EtherType}).

-spec both(raw | dgram, fun((gosocket_test_netns:host(), gosocket_test_netns:host(), socket(), socket()) -> term())) -> term().
both(Type, Test) ->
    with_hosts(fun(A, B) ->
        Sockets = [open(Host, Type, ?EXPERIMENT) || Host <- [A, B]],
        apply(Test, [A, B | Sockets]),
        close(Sockets)
    end).

-spec frame(To :: binary(), From :: gosocket_test_netns:host(), EtherType :: 0..65535, binary()) -> binary().
frame(To, From, EtherType, Data) ->
    <<To:6/binary, (mac(From))/binary, EtherType:16, Data/binary>>.

-spec source(gosocket_test_netns:host(), atom()) -> map().
source(From, PktType) ->
    #{family => packet, protocol => ?EXPERIMENT, ifindex => ifindex(From), pkttype => PktType, hatype => ?ETHERNET, addr => mac(From)}.

%% Where to: the interface is all that a whole frame needs.
-spec out(gosocket_test_netns:host()) -> map().
out(Host) -> #{family => packet, ifindex => ifindex(Host)}.

%% ---- sending and receiving ----

-spec raw_frame_arrives_with_the_address_of_its_sender(config()) -> term().
raw_frame_arrives_with_the_address_of_its_sender(_) ->
    both(raw, fun(A, B, Here, There) ->
        Frame = frame(mac(B), A, ?EXPERIMENT, <<"hello">>),
        ok = ?S:sendto(Here, Frame, out(A)),
        ?assertEqual({ok, {source(A, host), Frame}}, ?S:recvfrom(There, 0, ?PATIENCE)),
        Answer = frame(mac(A), B, ?EXPERIMENT, random(1486)),
        ok = ?S:sendto(There, Answer, out(B)),
        ?assertEqual({ok, {source(B, host), Answer}}, ?S:recvfrom(Here, 0, ?PATIENCE))
    end).

-spec dgram_gets_its_header_from_the_kernel(config()) -> term().
dgram_gets_its_header_from_the_kernel(_) ->
    both(dgram, fun(A, B, Here, There) ->
        ok = ?S:sendto(Here, <<"hello">>, (out(A))#{protocol => ?EXPERIMENT, addr => mac(B)}),
        {ok, {Source, <<"hello">>}} = ?S:recvfrom(There, 0, ?PATIENCE),
        ?assertEqual(source(A, host), Source),
        %% the source of what came is where an answer goes
        ok = ?S:sendto(There, <<"answer">>, Source#{ifindex := ifindex(B)}),
        ?assertEqual({ok, {source(B, host), <<"answer">>}}, ?S:recvfrom(Here, 0, ?PATIENCE))
    end).

-spec pkttype_says_for_whom_a_frame_was(config()) -> term().
pkttype_says_for_whom_a_frame_was(_) ->
    both(raw, fun(A, B, Here, There) ->
        [begin
             Frame = frame(To, A, ?EXPERIMENT, atom_to_binary(PktType, utf8)),
             ok = ?S:sendto(Here, Frame, out(A)),
             ?assertEqual({ok, {source(A, PktType), Frame}}, ?S:recvfrom(There, 0, ?PATIENCE))
         end || {To, PktType} <- [{mac(B), host}, {?BROADCAST, broadcast}, {<<1, 0, 16#5e, 1, 2, 3>>, multicast}]]
    end).

%% packet(7): all protocols, so also what leaves.
-spec pkttype_of_our_own_frames_is_outgoing(config()) -> term().
pkttype_of_our_own_frames_is_outgoing(_) ->
    with_hosts(fun(A, B) ->
        [Sender, Listener] = [open(A, raw, Type) || Type <- [?EXPERIMENT, ?ALL]],
        Frame = frame(mac(B), A, ?EXPERIMENT, <<"hello">>),
        ok = ?S:sendto(Sender, Frame, (out(A))#{protocol => ?EXPERIMENT}),
        ?assertEqual(source(A, outgoing), await_frame(Listener, Frame)),
        close({Sender, Listener})
    end).

%% The source of this frame; there may be others, of the kernel's own.
-spec await_frame(socket(), binary()) -> map().
await_frame(Socket, Frame) ->
    case ?S:recvfrom(Socket, 0, ?PATIENCE) of
        {ok, {Source, Frame}} -> Source;
        {ok, _} -> await_frame(Socket, Frame)
    end.

-spec otherhost_is_seen_by_the_promiscuous(config()) -> term().
otherhost_is_seen_by_the_promiscuous(_) ->
    both(raw, fun(A, B, Here, There) ->
        set(There, [{packet, add_membership, #{ifindex => ifindex(B), type => promisc}}]),
        Frame = frame(<<2, 9, 9, 9, 9, 9>>, A, ?EXPERIMENT, <<"not for you">>),
        ok = ?S:sendto(Here, Frame, out(A)),
        ?assertEqual({ok, {source(A, otherhost), Frame}}, ?S:recvfrom(There, 0, ?PATIENCE))
    end).

%% ---- what arrives ----

-spec ethertype_chooses_what_arrives(config()) -> term().
ethertype_chooses_what_arrives(_) ->
    both(raw, fun(A, B, Here, There) ->
        [ok = ?S:sendto(Here, frame(mac(B), A, EtherType, <<EtherType:16>>), out(A)) || EtherType <- [?OTHER, ?EXPERIMENT, ?OTHER]],
        ?assertMatch({ok, <<_:12/binary, ?EXPERIMENT:16, ?EXPERIMENT:16>>}, ?S:recv(There, 0, ?PATIENCE)),
        ?assertEqual({error, timeout}, ?S:recv(There, 0, 0))
    end).

-spec protocol_0_gets_nothing_until_it_is_bound(config()) -> term().
protocol_0_gets_nothing_until_it_is_bound(_) ->
    with_hosts(fun(A, B) ->
        Here = open(A, raw, ?EXPERIMENT),
        lists:foreach(fun(Socket) ->
            Frame = frame(mac(B), A, ?EXPERIMENT, <<"hello">>),
            ok = ?S:sendto(Here, Frame, out(A)),
            ?assertEqual({error, timeout}, ?S:recv(Socket, 0, 0)),
            ?assertEqual({ok, 0}, ?S:bind(Socket, #{family => packet, protocol => ?EXPERIMENT, ifindex => ifindex(B)})),
            ok = ?S:sendto(Here, Frame, out(A)),
            ?assertEqual({ok, Frame}, ?S:recv(Socket, 0, ?PATIENCE)),
            close(Socket)
        end, [open(B, raw, 0), gosocket_test_netns:open(B, packet, raw, default)]),
        close(Here)
    end).

-spec bound_to_an_interface_hears_that_one(config()) -> term().
bound_to_an_interface_hears_that_one(_) ->
    both(raw, fun(A, B, Here, There) ->
        OnLoopback = open(B, raw, ?EXPERIMENT),
        {ok, 0} = ?S:bind(OnLoopback, #{family => packet, protocol => ?EXPERIMENT, ifindex => 1}),
        {ok, 0} = ?S:bind(There, #{family => packet, protocol => ?EXPERIMENT, ifindex => ifindex(B)}),
        Frame = frame(mac(B), A, ?EXPERIMENT, <<"hello">>),
        ok = ?S:sendto(Here, Frame, out(A)),
        ?assertEqual({ok, Frame}, ?S:recv(There, 0, ?PATIENCE)),
        ?assertEqual({error, timeout}, ?S:recv(OnLoopback, 0, 0)),
        close(OnLoopback)
    end).

%% ---- what is told ----

-spec sockname_is_a_link_layer_address(config()) -> term().
sockname_is_a_link_layer_address(_) ->
    both(raw, fun(A, _, Here, _) ->
        ?assertEqual({ok, #{family => packet, protocol => ?EXPERIMENT, ifindex => 0, pkttype => host, hatype => 0, addr => <<>>}},
                     ?S:sockname(Here)),
        {ok, 0} = ?S:bind(Here, #{family => packet, protocol => ?EXPERIMENT, ifindex => ifindex(A)}),
        ?assertEqual({ok, source(A, host)}, ?S:sockname(Here)),
        ?assertEqual({error, enotsup}, ?S:peername(Here))
    end).

-spec info_tells_the_ethertype(config()) -> term().
info_tells_the_ethertype(_) ->
    both(dgram, fun(A, _, Here, _) ->
        ?assertMatch(#{domain := packet, type := dgram, protocol := ?EXPERIMENT}, ?S:info(Here)),
        ?assertEqual([{ok, packet}, {ok, packet}, {ok, dgram}],
                     [?S:getopt(Here, otp, domain), ?S:getopt(Here, socket, domain), ?S:getopt(Here, socket, type)]),
        Closed = open(A, raw, 6),
        ?assertMatch(#{domain := packet, type := raw, protocol := 6}, ?S:info(Closed)),
        close(Closed),
        ?assertMatch(#{domain := packet, type := raw, protocol := 6}, ?S:info(Closed))
    end).

%% linux/if_packet.h: struct tpacket_auxdata has status, len, snaplen, mac, net, vlan_tci, vlan_tpid.
-spec recvmsg_gives_address_flags_and_auxdata(config()) -> term().
recvmsg_gives_address_flags_and_auxdata(_) ->
    both(raw, fun(A, B, Here, There) ->
        set(There, [{packet, auxdata, true}]),
        Frame = frame(mac(B), A, ?EXPERIMENT, <<"hello">>),
        ok = ?S:sendmsg(Here, #{addr => out(A), iov => [Frame]}),
        {ok, #{addr := Source, iov := [Part], flags := Flags, ctrl := Ctrl}} = ?S:recvmsg(There, 14, 0, [], ?PATIENCE),
        ?assertEqual({source(A, host), binary:part(Frame, 0, 14), [trunc]}, {Source, Part, Flags}),
        Size = byte_size(Frame),
        ?assertMatch([#{level := 263, type := 8, data := <<_:32, Size:32/native, Size:32/native, _:8/binary>>}], Ctrl)
    end).

-spec waiting_and_nowait_work_as_elsewhere(config()) -> term().
waiting_and_nowait_work_as_elsewhere(_) ->
    both(raw, fun(A, B, Here, There) ->
        Frame = frame(mac(B), A, ?EXPERIMENT, <<"hello">>),
        ?assertEqual({error, timeout}, ?S:recv(There, 0, 10)),
        Reader = start(fun() -> ?S:recv(There) end),
        await_parked(There, num_readers, 1),
        ok = ?S:sendto(Here, Frame, out(A)),
        ?assertEqual({ok, Frame}, result(Reader)),
        {select, SelectInfo} = ?S:recvfrom(There, 0, [], nowait),
        ok = ?S:sendto(Here, Frame, out(A), nowait),
        await_select(There, SelectInfo),
        ?assertMatch({ok, {_, Frame}}, ?S:recvfrom(There, 0, [], nowait))
    end).

%% packet(7): read and reset.
-spec statistics_count_what_came(config()) -> term().
statistics_count_what_came(_) ->
    both(raw, fun(A, B, Here, There) ->
        [begin
             ok = ?S:sendto(Here, frame(mac(B), A, ?EXPERIMENT, <<"hello">>), out(A)),
             {ok, _} = ?S:recv(There, 0, ?PATIENCE)
         end || _ <- [1, 2, 3]],
        ?assertEqual([{ok, #{packets => 3, drops => 0}}, {ok, #{packets => 0, drops => 0}}],
                     [?S:getopt(There, packet, statistics) || _ <- [1, 2]])
    end).

-spec descriptor_of_a_packet_socket_tells_its_ethertype(config()) -> term().
descriptor_of_a_packet_socket_tells_its_ethertype(_) ->
    both(raw, fun(_, _, Here, _) ->
        {ok, FD} = ?S:getopt(Here, otp, fd),
        {ok, Copy} = ?S:open(FD),
        ?assertMatch(#{domain := packet, type := raw, protocol := ?EXPERIMENT}, ?S:info(Copy)),
        close(Copy)
    end).

%% ---- what is refused ----

-spec address_fields_have_ranges(config()) -> term().
address_fields_have_ranges(_) ->
    both(raw, fun(A, _, Here, _) ->
        [?assertEqual({Address, {error, einval}}, {Address, ?S:bind(Here, Address)})
         || Bad <- [#{protocol => 65536}, #{protocol => -1}, #{ifindex => 1 bsl 31}, #{pkttype => somebody}, #{pkttype => 256},
                    #{hatype => 65536}, #{addr => <<0:72>>}, #{addr => "aa"}],
            Address <- [maps:merge(out(A), Bad)]],
        [?assertEqual({PktType, {ok, 0}}, {PktType, ?S:bind(Here, (out(A))#{pkttype => PktType})})
         || PktType <- [host, broadcast, multicast, otherhost, outgoing, loopback, user, kernel, fastroute, 0, 255]]
    end).

-spec link_layer_addresses_are_for_packet_sockets_only(config()) -> term().
link_layer_addresses_are_for_packet_sockets_only(_) ->
    Socket = unconnected({inet, dgram}),
    Address = #{family => packet, ifindex => 1},
    [?assertEqual({error, {invalid, {address, Address}}}, outcome(Call))
     || Call <- [fun() -> ?S:bind(Socket, Address) end, fun() -> ?S:connect(Socket, Address) end,
                 fun() -> ?S:sendto(Socket, <<"x">>, Address) end,
                 fun() -> ?S:sendmsg(Socket, #{addr => Address, iov => [<<"x">>]}) end]],
    close(Socket).

-spec other_addresses_are_not_for_packet_sockets(config()) -> term().
other_addresses_are_not_for_packet_sockets(_) ->
    both(raw, fun(_, _, Here, _) ->
        [?assertEqual({Name, {error, eafnosupport}}, {Name, ?S:bind(Here, Name)}) || Name <- [any, loopback, broadcast]],
        Inet = #{family => inet, addr => loopback, port => 9},
        ?assertEqual({error, einval}, ?S:bind(Here, Inet)),
        ?assertMatch({error, {_, 1}}, ?S:sendto(Here, <<"x">>, Inet))
    end).

-spec errors_are_the_kernels(config()) -> term().
errors_are_the_kernels(_) ->
    both(raw, fun(A, B, Here, _) ->
        Frame = frame(mac(B), A, ?EXPERIMENT, <<"hello">>),
        Size = byte_size(Frame),
        ?assertEqual({error, {enxio, Size}}, ?S:send(Here, Frame)),
        ?assertEqual({error, {enxio, Size}}, ?S:sendto(Here, Frame, (out(A))#{ifindex => 9999})),
        ?assertEqual({error, enodev}, ?S:bind(Here, (out(A))#{ifindex => 9999})),
        ?assertEqual({error, {emsgsize, 3000}}, ?S:sendto(Here, binary:copy(<<"x">>, 3000), out(A))),
        ?assertEqual({error, {einval, 3}}, ?S:sendto(Here, <<"abc">>, out(A))),
        ?assertEqual({error, enotsup}, ?S:connect(Here, out(A))),
        ?assertEqual({error, enotsup}, ?S:listen(Here)),
        [?assertEqual({Type, Protocol, {error, Reason}}, {Type, Protocol, ?S:open(packet, Type, Protocol)})
         || {Type, Protocol, Reason} <- [{stream, default, esocktnosupport}, {seqpacket, default, esocktnosupport},
                                         {raw, {raw, 65536}, einval}]]
    end).
