%% Control messages: each that Linux delivers or takes, provoked on real sockets, in the shape of the man page's
%% cmsghdr_recv() and cmsghdr_send(). What comes from the error queue is in gosocket_errqueue_SUITE.
-module(gosocket_cmsg_SUITE).

-export([
    nothing_asked_for_is_an_empty_list/1,
    timestamp_is_a_timeval_of_now/1,
    timestamp_comes_on_tcp_too/1,
    timestampns_is_a_timespec_of_now/1,
    timestamping_is_three_timespecs_of_which_the_first_is_now/1,
    timestamping_of_one_message_can_be_asked_for_when_it_is_sent/1,
    rxq_ovfl_counts_what_was_dropped/1,
    credentials_are_those_of_the_helper/1,
    credentials_can_be_sent/1,
    rights_are_four_bytes_for_each_descriptor/1,
    tos_is_a_name_or_a_number/1,
    tos_and_ttl_are_sent_as_they_arrive/1,
    ttl_of_the_socket_arrives/1,
    pktinfo_tells_where_a_datagram_came_in/1,
    origdstaddr_is_the_address_that_was_sent_to/1,
    several_messages_come_together/1,
    tclass_and_hoplimit_are_sent_as_they_arrive/1,
    inet6_pktinfo_tells_where_a_datagram_came_in/1,
    mapped_datagram_has_the_pktinfo_of_both_families/1,
    pktinfo_by_number_chooses_the_source/1
]).

-define(OURS, [
    timestampns_is_a_timespec_of_now,
    timestamping_is_three_timespecs_of_which_the_first_is_now,
    timestamping_of_one_message_can_be_asked_for_when_it_is_sent,
    rxq_ovfl_counts_what_was_dropped,
    credentials_are_those_of_the_helper,
    credentials_can_be_sent,
    rights_are_four_bytes_for_each_descriptor,
    tclass_and_hoplimit_are_sent_as_they_arrive,
    pktinfo_by_number_chooses_the_source,
    tos_and_ttl_are_sent_as_they_arrive
]).
-import(gosocket_test_msg, [set/2, ctrl/1, delivered/3, plain/1, with_ctrl/1, stamped/2, is_now/1, helper_credentials/0]).
-define(ONE_LANE, [rights_are_four_bytes_for_each_descriptor]).
-include("gosocket_test.hrl").

%% ---- level socket ----

-spec nothing_asked_for_is_an_empty_list(config()) -> term().
nothing_asked_for_is_an_empty_list(_) ->
    [?assertEqual({Kind, []}, {Kind, delivered(Kind, [], fun gosocket_test_msg:plain/1)}) || Kind <- kinds()],
    [?assertEqual({Kind, []}, {Kind, delivered(Kind, [], with_ctrl([]))}) || Kind <- kinds()].

-spec timestamp_is_a_timeval_of_now(config()) -> term().
timestamp_is_a_timeval_of_now(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        set(B, [{socket, timestamp, true}]),
        [#{level := socket, type := timestamp, data := Time}] = stamped(A, B),
        ?assert(is_now(Time)),
        close({A, B})
    end, inet_kinds()).

-spec timestamp_comes_on_tcp_too(config()) -> term().
timestamp_comes_on_tcp_too(_) ->
    {A, B} = pair({inet, stream}),
    set(B, [{socket, timestamp, true}]),
    [#{level := socket, type := timestamp, data := Time}] = stamped(A, B),
    ?assert(is_now(Time)),
    close({A, B}).

-spec timestampns_is_a_timespec_of_now(config()) -> term().
timestampns_is_a_timespec_of_now(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{socket, timestampns, true}]),
    [#{level := socket, type := timestampns, data := Time}] = stamped(A, B),
    ?assert(is_now(Time)),
    close({A, B}).

-spec timestamping_is_three_timespecs_of_which_the_first_is_now(config()) -> term().
timestamping_is_three_timespecs_of_which_the_first_is_now(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{socket, timestamping, [rx_software, software]}]),
    [#{level := socket, type := timestamping, data := Times}] = stamped(A, B),
    ?assertMatch([_, #{sec := 0, nsec := 0}, #{sec := 0, nsec := 0}], Times),
    ?assert(is_now(hd(Times))),
    close({A, B}).

%% Linux, timestamping.rst: flags that make a time stamp may come as a control message, those that report it may not.
-spec timestamping_of_one_message_can_be_asked_for_when_it_is_sent(config()) -> term().
timestamping_of_one_message_can_be_asked_for_when_it_is_sent(_) ->
    {A, B} = pair({inet, dgram}),
    set(A, [{socket, timestamping, [software, opt_tsonly]}]),
    ok = plain(A),
    ?assertEqual({error, timeout}, ?S:recvmsg(A, [errqueue], 0)),
    ok = ?S:sendmsg(A, #{iov => [<<"data">>], ctrl => [#{level => socket, type => timestamping, data => [tx_software]}]}),
    {ok, #{ctrl := Ctrl}} = ?S:recvmsg(A, [errqueue], ?PATIENCE),
    [Times] = [Data || #{level := socket, type := timestamping, data := Data} <- Ctrl],
    ?assert(is_now(hd(Times))),
    close({A, B}).

-spec rxq_ovfl_counts_what_was_dropped(config()) -> term().
rxq_ovfl_counts_what_was_dropped(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{socket, rxq_ovfl, true}, {socket, rcvbuf, 4096}]),
    Sent = 200,
    [ok = ?S:send(A, binary:copy(<<"x">>, 500)) || _ <- lists:seq(1, Sent)],
    Received = length(all_there(B)),
    ?assert(Received < Sent),
    ok = plain(A),
    ?assertEqual([#{level => socket, type => rxq_ovfl, data => Sent - Received}], ctrl(B)),
    close({A, B}).

-spec all_there(socket()) -> [binary()].
all_there(Socket) ->
    case ?S:recv(Socket, 0, 0) of
        {ok, Data} -> [Data | all_there(Socket)];
        {error, timeout} -> []
    end.

%% The kernel fills in who sends, which is the helper.
-spec credentials_are_those_of_the_helper(config()) -> term().
credentials_are_those_of_the_helper(_) ->
    Expected = [#{level => socket, type => credentials, data => helper_credentials()}],
    [?assertEqual({Kind, Expected}, {Kind, delivered(Kind, [{socket, passcred, true}], fun gosocket_test_msg:plain/1)})
     || {local, _} = Kind <- kinds()].

-spec credentials_can_be_sent(config()) -> term().
credentials_can_be_sent(_) ->
    Message = #{level => socket, type => credentials, data => helper_credentials()},
    ?assertEqual([Message], delivered({local, dgram}, [{socket, passcred, true}], with_ctrl([Message]))),
    {A, B} = pair({local, dgram}),
    NoSuchProcess = Message#{data := <<16#7ffffff0:32/native, 0:64>>},
    ?assert(lists:member((with_ctrl([NoSuchProcess]))(A), [{error, esrch}, {error, eperm}])),
    ?assertEqual({error, einval}, (with_ctrl([Message#{data := <<1:32>>}]))(A)),
    close({A, B}).

%% Whose the descriptors are is in gosocket_descriptor_SUITE.
-spec rights_are_four_bytes_for_each_descriptor(config()) -> term().
rights_are_four_bytes_for_each_descriptor(_) ->
    Passed = bound({inet, dgram}),
    {ok, FD} = ?S:getopt(Passed, otp, fd),
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        Rights = #{level => socket, type => rights, data => <<FD:32/native, FD:32/native>>},
        ok = (with_ctrl([Rights]))(A),
        ?assertMatch({Kind, [#{level := socket, type := rights, data := <<_:32, _:32>>}]}, {Kind, ctrl(B)}),
        close({A, B})
    end, [Kind || {local, _} = Kind <- kinds()]),
    close(Passed).

%% ---- level ip ----

-spec tos_is_a_name_or_a_number(config()) -> term().
tos_is_a_name_or_a_number(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, recvtos, true}]),
    [begin
         set(A, [{ip, tos, Set}]),
         ok = plain(A),
         ?assertEqual({Set, [#{level => ip, type => tos, data => Arrives}]}, {Set, ctrl(B)})
     end || {Set, Arrives} <- [{lowdelay, lowdelay}, {throughput, throughput}, {reliability, reliability}, {mincost, mincost},
                               {16#10, lowdelay}, {16#08, throughput}, {16#04, reliability}, {0, 0}, {184, 184}]],
    close({A, B}).

-spec tos_and_ttl_are_sent_as_they_arrive(config()) -> term().
tos_and_ttl_are_sent_as_they_arrive(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, recvtos, true}, {ip, recvttl, true}]),
    [begin
         ok = (with_ctrl([#{level => ip, type => Type, data => Data}]))(A),
         ?assertEqual({Type, Data, [Arrives]}, {Type, Data, [Found || #{type := Type_, data := Found} <- ctrl(B),
                                                                      Type_ =:= Type]})
     end || {Type, Data, Arrives} <- [{tos, lowdelay, lowdelay}, {tos, mincost, mincost}, {tos, 184, 184}, {tos, 255, 255},
                                      {tos, <<8>>, throughput}, {tos, <<16:32/native>>, lowdelay},
                                      {ttl, 1, 1}, {ttl, 255, 255}, {ttl, <<9:32/native>>, 9}]],
    ok = (with_ctrl([#{level => ip, type => tos, data => 40}, #{level => ip, type => ttl, data => 41}]))(A),
    ?assertEqual(lists:sort([#{level => ip, type => tos, data => 40}, #{level => ip, type => ttl, data => 41}]),
                 lists:sort(ctrl(B))),
    close({A, B}).

-spec ttl_of_the_socket_arrives(config()) -> term().
ttl_of_the_socket_arrives(_) ->
    Send = fun(Socket) -> set(Socket, [{ip, ttl, 33}]), plain(Socket) end,
    ?assertEqual([#{level => ip, type => ttl, data => 33}], delivered({inet, dgram}, [{ip, recvttl, true}], Send)).

-spec pktinfo_tells_where_a_datagram_came_in(config()) -> term().
pktinfo_tells_where_a_datagram_came_in(_) ->
    ?assertEqual([#{level => ip, type => pktinfo, data => #{ifindex => 1, spec_dst => {127, 0, 0, 1}, addr => {127, 0, 0, 1}}}],
                 delivered({inet, dgram}, [{ip, pktinfo, true}], fun gosocket_test_msg:plain/1)).

-spec origdstaddr_is_the_address_that_was_sent_to(config()) -> term().
origdstaddr_is_the_address_that_was_sent_to(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, recvorigdstaddr, true}]),
    ok = plain(A),
    ?assertEqual([#{level => ip, type => origdstaddr, data => local_address(B)}], ctrl(B)),
    close({A, B}).

-spec several_messages_come_together(config()) -> term().
several_messages_come_together(_) ->
    Ctrl = delivered({inet, dgram}, [{ip, Key, true} || Key <- [pktinfo, recvttl, recvtos, recvorigdstaddr]], fun gosocket_test_msg:plain/1),
    ?assertEqual([origdstaddr, pktinfo, tos, ttl], lists:sort([Type || #{level := ip, type := Type} <- Ctrl])).

%% ---- level ipv6 ----

-spec tclass_and_hoplimit_are_sent_as_they_arrive(config()) -> term().
tclass_and_hoplimit_are_sent_as_they_arrive(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    {A, B} = pair({inet6, dgram}),
    set(B, [{ipv6, recvtclass, true}, {ipv6, recvhoplimit, true}]),
    set(A, [{ipv6, tclass, 32}]),
    ok = plain(A),
    ?assertEqual([{hoplimit, 64}, {tclass, 32}], lists:sort([{Type, Data} || #{level := ipv6, type := Type, data := Data} <- ctrl(B)])),
    [begin
         ok = (with_ctrl([#{level => ipv6, type => Type, data => Data}]))(A),
         ?assertEqual({Type, Data, [Arrives]}, {Type, Data, [Found || #{type := Type_, data := Found} <- ctrl(B),
                                                                      Type_ =:= As]})
     end || {Type, Data, As, Arrives} <- [{tclass, 0, tclass, 0}, {tclass, 255, tclass, 255}, {tclass, <<7:32/native>>, tclass, 7},
                                          {hoplimit, 5, hoplimit, 5}, {hoplevel, 6, hoplimit, 6}, {hoplimit, -1, hoplimit, 64}]],
    close({A, B}).

-spec inet6_pktinfo_tells_where_a_datagram_came_in(config()) -> term().
inet6_pktinfo_tells_where_a_datagram_came_in(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    ?assertEqual([#{level => ipv6, type => pktinfo, data => #{ifindex => 1, addr => {0, 0, 0, 0, 0, 0, 0, 1}}}],
                 delivered({inet6, dgram}, [{ipv6, recvpktinfo, true}], fun gosocket_test_msg:plain/1)).

-spec mapped_datagram_has_the_pktinfo_of_both_families(config()) -> term().
mapped_datagram_has_the_pktinfo_of_both_families(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    Receiver = unconnected({inet6, dgram}),
    set(Receiver, [{ipv6, v6only, false}, {ipv6, recvpktinfo, true}, {ip, pktinfo, true}]),
    {ok, Port} = ?S:bind(Receiver, any),
    Sender = unconnected({inet, dgram}),
    ok = ?S:sendto(Sender, <<"data">>, #{family => inet, addr => loopback, port => Port}),
    ?assertEqual(lists:sort([#{level => ip, type => pktinfo,
                               data => #{ifindex => 1, spec_dst => {127, 0, 0, 1}, addr => {127, 0, 0, 1}}},
                             #{level => ipv6, type => pktinfo,
                               data => #{ifindex => 1, addr => {0, 0, 0, 0, 0, 65535, 16#7f00, 1}}}]),
                 lists:sort(ctrl(Receiver))),
    close({Sender, Receiver}).

%% ip(7), ipv6(7): no privilege for addresses of one's own.
-spec pktinfo_by_number_chooses_the_source(config()) -> term().
pktinfo_by_number_chooses_the_source(_) ->
    lists:foreach(fun({Domain, Message, Source}) ->
        Receiver = bound({Domain, dgram}),
        Sender = unconnected({Domain, dgram}),
        ok = ?S:sendmsg(Sender, #{addr => local_address(Receiver), iov => [<<"data">>], ctrl => [Message]}),
        ?assertMatch({ok, {#{addr := Source}, <<"data">>}}, ?S:recvfrom(Receiver, 0, ?PATIENCE)),
        Nowhere = case Message of
                      #{level := ip} -> Message#{data := <<9999:32/native, 0:64>>};
                      _ -> Message#{data := <<0:128, 9999:32/native>>}
                  end,
        ?assertEqual({error, enodev}, ?S:sendmsg(Sender, #{addr => local_address(Receiver), iov => [<<"x">>], ctrl => [Nowhere]})),
        close({Sender, Receiver})
    end, [{inet, #{level => ip, type => 8, data => <<0:32, 127, 0, 0, 9, 0:32>>}, {127, 0, 0, 9}}]
         ++ [{inet6, #{level => ipv6, type => 50, data => <<1:128, 1:32/native>>}, {0, 0, 0, 0, 0, 0, 0, 1}} || has_ipv6()]).

%% ---- which ----

-spec inet_kinds() -> [gosocket_test_net:kind()].
inet_kinds() ->
    [Kind || {Domain, dgram} = Kind <- kinds(), Domain =/= local].
