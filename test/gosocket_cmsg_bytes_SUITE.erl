%% Control messages that have no name, as numbers and bytes; what cannot be sent; the buffers that bound them.
-module(gosocket_cmsg_bytes_SUITE).

-export([
    what_has_no_name_is_numbers_and_bytes/1,
    new_time_stamps_are_numbers_and_bytes/1,
    extension_headers_are_numbers_and_bytes/1,
    routing_header_is_a_number_and_bytes/1,
    size_of_a_fragment_is_a_number_and_bytes/1,
    path_mtu_is_a_number_and_bytes/1,
    tcp_inq_of_the_user_is_left_alone/1,
    segment_size_by_number_splits_a_send/1,
    ip_options_of_one_message_arrive_with_it/1,
    time_to_send_at_needs_its_option/1,
    any_level_and_type_may_be_sent_by_number/1,
    messages_with_names_that_cannot_be_sent_are_einval/1,
    malformed_lists_are_einval/1,
    what_the_kernel_refuses_is_its_errno/1,
    what_does_not_concern_the_protocol_is_ignored/1,
    sndctrlbuf_bounds_what_is_sent/1,
    small_control_buffer_cuts_with_ctrunc_and_the_rest_is_bytes/1,
    control_buffer_of_size_0_is_rcvctrlbuf/1,
    recv_and_recvfrom_leave_control_messages_out/1,
    peeked_message_has_its_control_messages_each_time/1
]).

-define(OURS, [
    what_has_no_name_is_numbers_and_bytes,
    new_time_stamps_are_numbers_and_bytes,
    extension_headers_are_numbers_and_bytes,
    routing_header_is_a_number_and_bytes,
    size_of_a_fragment_is_a_number_and_bytes,
    path_mtu_is_a_number_and_bytes,
    tcp_inq_of_the_user_is_left_alone,
    any_level_and_type_may_be_sent_by_number,
    small_control_buffer_cuts_with_ctrunc_and_the_rest_is_bytes,
    ip_options_of_one_message_arrive_with_it,
    sndctrlbuf_bounds_what_is_sent,
    time_to_send_at_needs_its_option,
    what_does_not_concern_the_protocol_is_ignored
]).
-import(gosocket_test_msg, [set/2, ctrl/1, delivered/3, plain/1, with_ctrl/1, stamped/2, helper_credentials/0]).
-import(gosocket_test_netns, [with_hosts/1, address/2]).
-define(ONE_LANE, [
    what_does_not_concern_the_protocol_is_ignored,
    what_the_kernel_refuses_is_its_errno
]).
-include("gosocket_test.hrl").

%% ---- what has no name ----

%% Options whose control messages the man page does not name; a kernel without the option leaves its row out.
-spec what_has_no_name_is_numbers_and_bytes(config()) -> term().
what_has_no_name_is_numbers_and_bytes(_) ->
    Six = [{{inet6, dgram}, {ipv6, recvorigdstaddr, true}, fun gosocket_test_msg:plain/1, {ipv6, 74, 28}},
           {{inet6, dgram}, {ipv6, flowinfo, true}, with_ctrl([#{level => ipv6, type => 11, data => <<16#12345:32>>}]), {ipv6, 11, 4}},
           {{inet6, dgram}, {ipv6, pktinfo_2292, true}, fun gosocket_test_msg:plain/1, {ipv6, 2, 20}},
           {{inet6, dgram}, {ipv6, hoplimit_2292, true}, fun gosocket_test_msg:plain/1, {ipv6, 8, 4}}],
    RecordRoute = <<7, 7, 4, 0:32, 0>>, % RFC 791, for one address
    WithOptions = fun(Socket) -> set(Socket, [{ip, options, RecordRoute}]), plain(Socket) end,
    Rows = [{{inet, dgram}, {udp, gro, true}, with_ctrl([#{level => udp, type => 103, data => <<2:16/native>>}]), {udp, 104, 4}},
            {{inet, dgram}, {ip, recvopts, true}, WithOptions, {ip, 6, 8}},
            {{inet, dgram}, {ip, retopts, true}, WithOptions, {ip, 7, 8}},
            {{inet, dgram}, {socket, rcvmark, true}, fun gosocket_test_msg:plain/1, {socket, 36, 4}},
            {{inet, dgram}, {socket, rcvpriority, true}, with_ctrl([#{level => socket, type => 12, data => <<3:32/native>>}]),
             {socket, 12, 4}},
            {{inet, stream}, {tcp, inq, true}, fun gosocket_test_msg:plain/1, {6, 36, 4}},
            {{local, stream}, {socket, inq, true}, fun gosocket_test_msg:plain/1, {socket, 84, 4}},
            {{local, dgram}, {socket, passpidfd, true}, fun gosocket_test_msg:plain/1, {socket, 4, 4}}]
        ++ [Row || has_ipv6(), Row <- Six],
    Missing = [Option || {Kind, Option, Send, Message} <- Rows, not has_number_and_bytes(Kind, Option, Send, Message)],
    [ct:comment("not in this kernel: ~0p", [Missing]) || Missing =/= []].

-spec has_number_and_bytes(gosocket_test_net:kind(), gosocket_test_msg:option(), fun((socket()) -> ok), {term(), integer(), integer()}) -> boolean().
has_number_and_bytes(Kind, {Level, Key, Value} = Option, Send, {MessageLevel, Type, Size}) ->
    Probe = unconnected(Kind),
    Set = ?S:setopt(Probe, Level, Key, Value),
    close(Probe),
    case Set of
        ok ->
            [#{level := Level_, type := Type_, data := Data}] = delivered(Kind, [Option], Send),
            ?assertEqual({Option, MessageLevel, Type, Size}, {Option, Level_, Type_, byte_size(Data)}),
            true;
        {error, enoprotoopt} ->
            false
    end.

%% The forms that 32-bit programs use beyond the year 2038; on 64 bits they say the same as the older ones.
-spec new_time_stamps_are_numbers_and_bytes(config()) -> term().
new_time_stamps_are_numbers_and_bytes(_) ->
    [begin
         {A, B} = pair({inet, dgram}),
         set(B, [{socket, Option, Value}]),
         [#{level := socket, type := Type_, data := <<Seconds:64/native, _/binary>> = Data}] = stamped(A, B),
         ?assertEqual({Option, Type, Size}, {Option, Type_, byte_size(Data)}),
         ?assert(abs(os:system_time(second) - Seconds) < 60),
         close({A, B})
     end || {Option, Value, Type, Size} <- [{timestamp_new, true, 63, 16}, {timestampns_new, true, 64, 16},
                                            {timestamping_new, [rx_software, software], 65, 48}]].

%% RFC 3542: the bytes are the header as it came, whose first byte is the next header's number.
-spec extension_headers_are_numbers_and_bytes(config()) -> term().
extension_headers_are_numbers_and_bytes(_) ->
    with_hosts(fun(A, B) ->
        Sender = gosocket_test_netns:open(A, inet6, dgram, udp),
        Receiver = gosocket_test_netns:open(B, inet6, dgram, udp),
        {ok, Port} = ?S:bind(Receiver, address(B, inet6)),
        To = (address(B, inet6))#{port => Port},
        Padding = <<0, 0, 1, 4, 0:32>>,
        <<_, Arrives/binary>> = Padding,
        [begin
             set(Receiver, [{ipv6, Option, true}]),
             ok = ?S:sendmsg(Sender, #{addr => To, iov => [<<"x">>], ctrl => [#{level => ipv6, type => Type, data => Padding}]}),
             ?assertMatch({Option, [#{level := ipv6, type := Type, data := <<17, Arrives/binary>>}]},
                          {Option, ctrl(Receiver)}),
             set(Receiver, [{ipv6, Option, false}])
         end || {Option, Type} <- [{recvhopopts, 54}, {recvdstopts, 59}]],
        [begin
             set(Receiver, [{ipv6, Option, true}]),
             ok = ?S:sendmsg(Sender, #{addr => To, iov => [<<"x">>], ctrl => [#{level => ipv6, type => Send, data => Padding}]}),
             ?assertMatch({Option, [#{level := ipv6, type := Type, data := <<17, Arrives/binary>>}]},
                          {Option, ctrl(Receiver)}),
             set(Receiver, [{ipv6, Option, false}])
         end || {Option, Send, Type} <- [{hopopts_2292, 54, 3}, {dstopts_2292, 59, 4}]],
        close({Sender, Receiver})
    end).

%% RFC 8754: a segment routing header whose one segment is the receiver itself.
-spec routing_header_is_a_number_and_bytes(config()) -> term().
routing_header_is_a_number_and_bytes(_) ->
    with_hosts(fun(A, B) ->
        "" = gosocket_test_netns:exec(B, "sh -c 'cd /proc/sys/net/ipv6/conf && echo 1 >all/seg6_enabled && echo 1 >veth0/seg6_enabled' 2>&1"),
        #{addr := Addr} = address(B, inet6),
        Header = <<2, 4, 0, 0, 0, 0:16, (<< <<Word:16>> || Word <- tuple_to_list(Addr) >>)/binary>>,
        [begin
             Sender = gosocket_test_netns:open(A, inet6, dgram, udp),
             Receiver = gosocket_test_netns:open(B, inet6, dgram, udp),
             {ok, Port} = ?S:bind(Receiver, address(B, inet6)),
             set(Receiver, [{ipv6, Option, true}]),
             set(Sender, [{ipv6, rthdr, <<0, Header/binary>>}]),
             ok = ?S:sendto(Sender, <<"x">>, (address(B, inet6))#{port => Port}),
             ?assertEqual({Option, [#{level => ipv6, type => Type, data => <<17, Header/binary>>}]}, {Option, ctrl(Receiver)}),
             close({Sender, Receiver})
         end || {Option, Type} <- [{recvrthdr, 57}, {rthdr_2292, 5}]]
    end).

%% The veth pair carries 1500 bytes at a time.
-spec size_of_a_fragment_is_a_number_and_bytes(config()) -> term().
size_of_a_fragment_is_a_number_and_bytes(_) ->
    with_hosts(fun(A, B) ->
        [begin
             Sender = gosocket_test_netns:open(A, Domain, dgram, udp),
             Receiver = gosocket_test_netns:open(B, Domain, dgram, udp),
             {ok, Port} = ?S:bind(Receiver, address(B, Domain)),
             set(Receiver, [{Level, recvfragsize, true}]),
             ok = ?S:sendto(Sender, binary:copy(<<"x">>, 3000), (address(B, Domain))#{port => Port}),
             {ok, #{ctrl := Ctrl, iov := [<<_:3000/binary>>]}} = ?S:recvmsg(Receiver, ?PATIENCE),
             [#{level := Level, type := Type, data := <<Size:32/native>>}] = Ctrl,
             ?assert(Size > 1400 andalso Size =< 1500),
             close({Sender, Receiver})
         end || {Domain, Level, Type} <- [{inet, ip, 25}, {inet6, ipv6, 77}]]
    end).

-spec path_mtu_is_a_number_and_bytes(config()) -> term().
path_mtu_is_a_number_and_bytes(_) ->
    with_hosts(fun(A, B) ->
        Sender = gosocket_test_netns:open(A, inet6, dgram, udp),
        set(Sender, [{ipv6, recvpathmtu, true}, {ipv6, dontfrag, true}]),
        To = (address(B, inet6))#{port => 9},
        ?assertEqual({error, {emsgsize, 3000}}, ?S:sendto(Sender, binary:copy(<<"x">>, 3000), To)),
        {ok, #{addr := Addr, iov := Iov, ctrl := Ctrl}} = ?S:recvmsg(Sender, ?PATIENCE),
        ?assertEqual(maps:with([family, addr], To), maps:with([family, addr], Addr)),
        ?assertEqual([<<>>], Iov),
        ?assertMatch([#{level := ipv6, type := 61, data := <<_:28/binary, 1500:32/native>>}], Ctrl),
        Plain = gosocket_test_netns:open(A, inet6, dgram, udp),
        ?assertEqual(ok, ?S:sendto(Plain, binary:copy(<<"x">>, 3000), To)),
        Dontfrag = #{level => ipv6, type => 62, data => <<1:32/native>>},
        ?assertEqual({error, emsgsize}, ?S:sendmsg(Plain, #{addr => To, iov => [binary:copy(<<"x">>, 3000)], ctrl => [Dontfrag]})),
        close({Sender, Plain})
    end).

%% The helper uses this option for itself, until the user does.
-spec tcp_inq_of_the_user_is_left_alone(config()) -> term().
tcp_inq_of_the_user_is_left_alone(_) ->
    {A, B} = pair({inet, stream}),
    ok = plain(A),
    ?assertEqual({ok, <<"da">>}, ?S:recv(B, 2, ?PATIENCE)),
    ?assertEqual({ok, false}, ?S:getopt(B, tcp, inq)),
    set(B, [{tcp, inq, true}]),
    ?assertEqual({ok, <<"t">>}, ?S:recv(B, 1, ?PATIENCE)),
    ?assertMatch({ok, #{iov := [<<"a">>], ctrl := [#{level := 6, type := 36, data := <<0:32>>}]}}, ?S:recvmsg(B, ?PATIENCE)),
    ?assertEqual({ok, true}, ?S:getopt(B, tcp, inq)),
    close({A, B}),
    Listener = listener({inet, stream}, fun(Socket) -> ?S:setopt(Socket, tcp, inq, true) end),
    Client = unconnected({inet, stream}),
    Server = accepted(Listener, Client),
    ok = plain(Client),
    ?assertEqual({ok, <<"da">>}, ?S:recv(Server, 2, ?PATIENCE)),
    ?assertMatch({ok, #{ctrl := [#{level := 6, type := 36, data := <<1:32/native>>}]}}, ?S:recvmsg(Server, 1, 0, [], ?PATIENCE)),
    close([Listener, Client, Server]).

%% ---- sending ----

%% udp(7): UDP_SEGMENT
-spec segment_size_by_number_splits_a_send(config()) -> term().
segment_size_by_number_splits_a_send(_) ->
    {A, B} = pair({inet, dgram}),
    [begin
         ok = ?S:sendmsg(A, #{iov => [<<"abcde">>], ctrl => [#{level => Level, type => 103, data => <<2:16/native>>}]}),
         ?assertEqual([{ok, <<"ab">>}, {ok, <<"cd">>}, {ok, <<"e">>}], [?S:recv(B, 0, ?PATIENCE) || _ <- [1, 2, 3]])
     end || Level <- [udp, 17]],
    close({A, B}).

%% ip(7), IP_RETOPTS
-spec ip_options_of_one_message_arrive_with_it(config()) -> term().
ip_options_of_one_message_arrive_with_it(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, recvopts, true}]),
    ok = (with_ctrl([#{level => ip, type => 7, data => <<7, 7, 4, 0:32, 0>>}]))(A),
    ?assertMatch([#{level := ip, type := 6, data := <<7, 7, _:6/binary>>}], ctrl(B)),
    ok = plain(A),
    ?assertEqual([], ctrl(B)),
    close({A, B}).

%% socket(7) has no word on SO_TXTIME; clock 1 is CLOCK_MONOTONIC.
-spec time_to_send_at_needs_its_option(config()) -> term().
time_to_send_at_needs_its_option(_) ->
    {A, B} = pair({inet, dgram}),
    At = #{level => socket, type => 61, data => <<(os:perf_counter(nanosecond)):64/native>>},
    ?assertEqual({error, einval}, (with_ctrl([At]))(A)),
    set(A, [{socket, txtime, #{clockid => 1, flags => []}}]),
    ?assertEqual(ok, (with_ctrl([At]))(A)),
    ?assertEqual({ok, <<"data">>}, ?S:recv(B, 0, ?PATIENCE)),
    ?assertEqual({error, einval}, (with_ctrl([At#{data := <<0:32>>}]))(A)),
    close({A, B}).

-spec any_level_and_type_may_be_sent_by_number(config()) -> term().
any_level_and_type_may_be_sent_by_number(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, recvttl, true}]),
    [begin
         ok = (with_ctrl([#{level => Level, type => 2, data => Data}]))(A),
         ?assertEqual({Level, [#{level => ip, type => ttl, data => 7}]}, {Level, ctrl(B)})
     end || Level <- [ip, 0], Data <- [<<7:32/native>>, 7]],
    [begin
         ok = (with_ctrl([#{level => Level, type => 1, data => <<1, 2, 3>>}]))(A),
         ?assertEqual({Level, [#{level => ip, type => ttl, data => 64}]}, {Level, ctrl(B)})
     end || Level <- [99, 132, 263]],
    close({A, B}).

-spec messages_with_names_that_cannot_be_sent_are_einval(config()) -> term().
messages_with_names_that_cannot_be_sent_are_einval(_) ->
    {A, B} = pair({inet, dgram}),
    [?assertEqual({Level, Type, {error, einval}}, {Level, Type, (with_ctrl([#{level => Level, type => Type, data => <<0:160>>}]))(A)})
     || {Level, Type} <- [{ip, pktinfo}, {ip, recvttl}, {ip, recvtos}, {ip, recverr}, {ip, origdstaddr},
                          {ipv6, pktinfo}, {ipv6, recverr}, {ip, hoplimit}, {socket, tos}, {udp, segment}]],
    close({A, B}).

-spec malformed_lists_are_einval(config()) -> term().
malformed_lists_are_einval(_) ->
    {A, B} = pair({inet, dgram}),
    Good = #{level => ip, type => ttl, data => 7},
    [?assertEqual({Ctrl, {error, einval}}, {Ctrl, ?S:sendmsg(A, #{iov => [<<"x">>], ctrl => Ctrl})})
     || Ctrl <- [foo, #{}, <<>>, [foo], [#{}], [Good, foo], [maps:remove(level, Good)], [maps:remove(type, Good)],
                 [maps:remove(data, Good)], [Good#{level := foo}], [Good#{level := tcp}], [Good#{type := foo}],
                 [Good#{data := foo}], [Good#{data := 7.0}], [Good#{data := {7}}], [Good#{data := <<1:3>>}],
                 [Good#{type := 8, data := 7}], [Good#{type := 99, data := 7}], [Good#{level := 1 bsl 40}], [Good#{type := 1 bsl 40}],
                 [#{level => ip, type => tos, data => fast}], [#{level => socket, type => rights, data => 5}]]],
    ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
    close({A, B}).

-spec what_the_kernel_refuses_is_its_errno(config()) -> term().
what_the_kernel_refuses_is_its_errno(_) ->
    Rows = [{{inet, dgram}, ip, tos, 256, einval}, {{inet, dgram}, ip, tos, -1, einval}, {{inet, dgram}, ip, tos, <<>>, einval},
            {{inet, dgram}, ip, ttl, 0, einval}, {{inet, dgram}, ip, ttl, 256, einval}, {{inet, dgram}, ip, ttl, -1, einval},
            {{inet, dgram}, ip, ttl, <<9>>, einval}, {{inet, dgram}, ip, 99, <<>>, einval},
            {{inet, dgram}, socket, timestamp, <<0:128>>, einval}, {{inet, dgram}, udp, 103, <<2:32/native>>, einval},
            {{inet, dgram}, udp, 1, <<2:16/native>>, einval}, {{local, dgram}, socket, 99, <<0:32>>, einval},
            {{local, dgram}, socket, rights, <<9999:32/native>>, ebadf}]
        ++ [Row || has_ipv6(), Row <- [{{inet6, dgram}, ipv6, tclass, 256, einval}, {{inet6, dgram}, ipv6, hoplimit, 256, einval},
                                       {{inet6, dgram}, ipv6, 99, <<>>, einval},
                                       {{inet6, dgram}, ipv6, 57, <<0, 2, 4, 0, 0, 0, 0:16, 1:128>>, einval}]],
    [begin
         {A, B} = pair(Kind),
         ?assertEqual({Kind, Level, Type, Data, {error, Reason}},
                      {Kind, Level, Type, Data, (with_ctrl([#{level => Level, type => Type, data => Data}]))(A)}),
         ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
         close({A, B})
     end || {Kind, Level, Type, Data, Reason} <- Rows],
    Socket = unconnected({local, dgram}),
    {ok, FD} = ?S:getopt(Socket, otp, fd),
    {A, B} = pair({local, dgram}),
    set(A, [{otp, sndctrlbuf, 4096}]),
    TooMany = binary:copy(<<FD:32/native>>, 254),
    ?assertEqual({error, einval}, (with_ctrl([#{level => socket, type => rights, data => TooMany}]))(A)),
    close([Socket, A, B]).

-spec what_does_not_concern_the_protocol_is_ignored(config()) -> term().
what_does_not_concern_the_protocol_is_ignored(_) ->
    Socket = unconnected({inet, dgram}),
    {ok, FD} = ?S:getopt(Socket, otp, fd),
    [?assertEqual({Ctrl, []}, {Ctrl, delivered({inet, dgram}, [], with_ctrl([Ctrl]))})
     || Ctrl <- [#{level => socket, type => rights, data => <<FD:32/native>>},
                 #{level => socket, type => credentials, data => helper_credentials()},
                 #{level => ipv6, type => tclass, data => 7},
                 #{level => ip, type => 52, data => <<99:32/native>>}]],
    close(Socket).

%% Proves: otp sndctrlbuf
%% A message takes 16 bytes for its header, and its data up to a multiple of 8 (cmsg(3)).
-spec sndctrlbuf_bounds_what_is_sent(config()) -> term().
sndctrlbuf_bounds_what_is_sent(_) ->
    {A, B} = pair({inet, dgram}),
    Ctrl = [#{level => 99, type => 1, data => binary:copy(<<0>>, Size)} || Size <- [8, 9]],
    [begin
         set(A, [{otp, sndctrlbuf, Limit}]),
         ?assertEqual({Limit, Outcome}, {Limit, (with_ctrl(Ctrl))(A)})
     end || {Limit, Outcome} <- [{55, {error, einval}}, {56, ok}]],
    close({A, B}).

%% ---- the buffer for what is received ----

-spec small_control_buffer_cuts_with_ctrunc_and_the_rest_is_bytes(config()) -> term().
small_control_buffer_cuts_with_ctrunc_and_the_rest_is_bytes(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, pktinfo, true}]),
    Whole = <<1:32/native, 127, 0, 0, 1, 127, 0, 0, 1>>,
    [begin
         ok = plain(A),
         Ctrl = case Room of
                    _ when Room < 16 -> [];
                    28 -> [#{level => ip, type => pktinfo,
                             data => #{ifindex => 1, spec_dst => {127, 0, 0, 1}, addr => {127, 0, 0, 1}}}];
                    _ -> [#{level => ip, type => pktinfo, data => binary:part(Whole, 0, Room - 16)}]
                end,
         Flags = [ctrunc || Room < 28],
         {ok, MsgHdr} = ?S:recvmsg(B, 0, Room, [], ?PATIENCE),
         ?assertEqual({Room, #{ctrl => Ctrl, flags => Flags, iov => [<<"data">>]}}, {Room, maps:remove(addr, MsgHdr)})
     end || Room <- [1, 12, 15, 16, 17, 20, 27, 28]],
    close({A, B}).

%% Proves: otp rcvctrlbuf
-spec control_buffer_of_size_0_is_rcvctrlbuf(config()) -> term().
control_buffer_of_size_0_is_rcvctrlbuf(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, pktinfo, true}, {otp, rcvctrlbuf, 8}]),
    [ok = plain(A) || _ <- [1, 2]],
    ?assertMatch({ok, #{ctrl := [], flags := [ctrunc]}}, ?S:recvmsg(B, 0, 0, [], ?PATIENCE)),
    ?assertMatch({ok, #{ctrl := [#{type := pktinfo}], flags := []}}, ?S:recvmsg(B, 0, 100, [], ?PATIENCE)),
    set(B, [{otp, rcvctrlbuf, 0}]),
    ok = plain(A),
    ?assertMatch({ok, #{ctrl := [#{type := pktinfo}], flags := []}}, ?S:recvmsg(B, ?PATIENCE)),
    close({A, B}).

-spec recv_and_recvfrom_leave_control_messages_out(config()) -> term().
recv_and_recvfrom_leave_control_messages_out(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, pktinfo, true}]),
    [ok = plain(A) || _ <- [1, 2]],
    ?assertEqual({ok, <<"data">>}, ?S:recv(B, 0, ?PATIENCE)),
    ?assertEqual({ok, {local_address(A), <<"data">>}}, ?S:recvfrom(B, 0, ?PATIENCE)),
    close({A, B}).

-spec peeked_message_has_its_control_messages_each_time(config()) -> term().
peeked_message_has_its_control_messages_each_time(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, recvttl, true}]),
    ok = plain(A),
    Messages = [?S:recvmsg(B, Flags, ?PATIENCE) || Flags <- [[peek], [peek], []]],
    ?assertMatch([{ok, #{ctrl := [#{level := ip, type := ttl, data := 64}], iov := [<<"data">>]}}], lists:usort(Messages)),
    ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
    close({A, B}).
