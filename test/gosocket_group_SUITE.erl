%% One datagram for many: multicast with source filters, broadcast; and IPv6 addresses that need a scope.
-module(gosocket_group_SUITE).

-export([
    every_member_of_a_group_receives/1,
    who_has_left_the_group_receives_no_more/1,
    source_membership_lets_its_sources_through/1,
    blocked_source_is_not_heard_until_it_is_unblocked/1,
    source_filter_includes_or_excludes/1,
    multicast_loop_decides_whether_this_host_hears/1,
    multicast_ttl_is_that_of_what_is_sent/1,
    multicast_all_hears_groups_of_others/1,
    membership_errors_are_the_kernels/1,
    group_is_heard_across_a_link_by_members_only/1,
    inet6_group_is_heard_across_a_link_by_members_only/1,
    inet6_multicast_needs_a_way_out/1,
    inet6_source_filter_is_a_native_option/1,
    broadcast_reaches_every_socket_of_the_port/1,
    broadcast_needs_the_option/1,
    broadcast_reaches_the_hosts_of_the_link/1,
    link_local_datagram_has_a_scope_id/1,
    link_local_connection_has_a_scope_id/1,
    link_local_address_needs_the_scope_of_an_interface/1
]).

%% The reference has no source memberships and no filters, and takes multicast_if for another option.
-define(OURS, [Name || Name <- gosocket_test_lib:cases(?MODULE), not lists:member(Name, [
    broadcast_reaches_every_socket_of_the_port,
    broadcast_needs_the_option,
    broadcast_reaches_the_hosts_of_the_link,
    link_local_datagram_has_a_scope_id,
    link_local_connection_has_a_scope_id,
    link_local_address_needs_the_scope_of_an_interface
])]).
-import(gosocket_test_msg, [set/2]).
-import(gosocket_test_netns, [with_hosts/1, address/2, ifindex/1]).
-include("gosocket_test.hrl").

%% For use inside one site (RFC 2365).
-define(GROUP, {239, 255, 7, 3}).
-define(LOOPBACK, {127, 0, 0, 1}).
-define(FRIEND, {127, 0, 0, 2}).
-define(STRANGER, {127, 0, 0, 3}).
%% Of the link (RFC 4291).
-define(GROUP6, {16#ff02, 0, 0, 0, 0, 0, 0, 16#703}).

%% ---- multicast on loopback ----

%% Sockets on one port, and senders with addresses of their own.
-spec receivers(pos_integer()) -> {[socket()], inet:port_number()}.
receivers(N) ->
    First = receiver(0),
    #{port := Port} = local_address(First),
    {[First | [receiver(Port) || _ <- lists:seq(2, N)]], Port}.

-spec receiver(inet:port_number()) -> socket().
receiver(Port) ->
    Socket = unconnected({inet, dgram}),
    set(Socket, [{socket, reuseaddr, true}, {ip, multicast_all, false}]),
    {ok, _} = ?S:bind(Socket, #{family => inet, addr => any, port => Port}),
    Socket.

-spec sender(inet:ip4_address()) -> socket().
sender(Addr) ->
    Socket = unconnected({inet, dgram}),
    {ok, _} = ?S:bind(Socket, #{family => inet, addr => Addr}),
    set(Socket, [{ip, multicast_if, ?LOOPBACK}]),
    Socket.

-spec to_group(socket(), binary(), inet:port_number()) -> ok.
to_group(Socket, Data, Port) ->
    ok = ?S:sendto(Socket, Data, #{family => inet, addr => ?GROUP, port => Port}).

-spec mreq() -> map().
mreq() -> #{multiaddr => ?GROUP, interface => ?LOOPBACK}.

-spec mreq(Source :: inet:ip4_address()) -> map().
mreq(Source) -> (mreq())#{sourceaddr => Source}.

%% What a socket has of what was sent, which on loopback is there at once.
-spec heard(socket()) -> [binary()].
heard(Socket) ->
    case ?S:recv(Socket, 0, 0) of
        {ok, Data} -> [Data | heard(Socket)];
        {error, timeout} -> []
    end.

%% Runs Test with a member-to-be, and a function that has both senders send and tells whom the socket heard.
-spec filtered(fun((socket(), fun(() -> [binary()])) -> ok)) -> ok.
filtered(Test) ->
    {[Member], Port} = receivers(1),
    Friend = sender(?FRIEND),
    Stranger = sender(?STRANGER),
    ok = Test(Member, fun() ->
        to_group(Friend, <<"friend">>, Port),
        to_group(Stranger, <<"stranger">>, Port),
        heard(Member)
    end),
    close([Member, Friend, Stranger]).

-spec every_member_of_a_group_receives(config()) -> term().
every_member_of_a_group_receives(_) ->
    {[A, B, Outsider], Port} = receivers(3),
    [set(Member, [{ip, add_membership, mreq()}]) || Member <- [A, B]],
    Sender = sender(?LOOPBACK),
    to_group(Sender, <<"hello">>, Port),
    [?assertEqual({ok, {local_address(Sender), <<"hello">>}}, ?S:recvfrom(Member, 0, ?PATIENCE)) || Member <- [A, B]],
    ?assertEqual([], heard(Outsider)),
    close([A, B, Outsider, Sender]).

-spec who_has_left_the_group_receives_no_more(config()) -> term().
who_has_left_the_group_receives_no_more(_) ->
    {[A, B], Port} = receivers(2),
    [set(Member, [{ip, add_membership, mreq()}]) || Member <- [A, B]],
    Sender = sender(?LOOPBACK),
    set(A, [{ip, drop_membership, mreq()}]),
    to_group(Sender, <<"hello">>, Port),
    ?assertEqual({[], [<<"hello">>]}, {heard(A), heard(B)}),
    close([A, B, Sender]).

-spec source_membership_lets_its_sources_through(config()) -> term().
source_membership_lets_its_sources_through(_) ->
    filtered(fun(Member, Heard) ->
        set(Member, [{ip, add_source_membership, mreq(?FRIEND)}]),
        ?assertEqual([<<"friend">>], Heard()),
        set(Member, [{ip, add_source_membership, mreq(?STRANGER)}]),
        ?assertEqual([<<"friend">>, <<"stranger">>], Heard()),
        set(Member, [{ip, drop_source_membership, mreq(?FRIEND)}]),
        ?assertEqual([<<"stranger">>], Heard()),
        set(Member, [{ip, drop_source_membership, mreq(?STRANGER)}]),
        ?assertEqual([], Heard()),
        ok
    end).

-spec blocked_source_is_not_heard_until_it_is_unblocked(config()) -> term().
blocked_source_is_not_heard_until_it_is_unblocked(_) ->
    filtered(fun(Member, Heard) ->
        set(Member, [{ip, add_membership, mreq()}]),
        ?assertEqual([<<"friend">>, <<"stranger">>], Heard()),
        set(Member, [{ip, block_source, mreq(?STRANGER)}]),
        ?assertEqual([<<"friend">>], Heard()),
        set(Member, [{ip, unblock_source, mreq(?STRANGER)}]),
        ?assertEqual([<<"friend">>, <<"stranger">>], Heard()),
        ok
    end).

-spec source_filter_includes_or_excludes(config()) -> term().
source_filter_includes_or_excludes(_) ->
    filtered(fun(Member, Heard) ->
        set(Member, [{ip, add_membership, mreq()}]),
        [begin
             Filter = (mreq())#{mode => Mode, slist => Sources},
             set(Member, [{ip, msfilter, Filter}]),
             ?assertEqual({Filter, Expected}, {Filter, Heard()}),
             ?assertEqual({ok, Filter}, ?S:getopt(Member, ip, {msfilter, mreq()}))
         end || {Mode, Sources, Expected} <- [{include, [?FRIEND], [<<"friend">>]},
                                              {include, [?FRIEND, ?STRANGER], [<<"friend">>, <<"stranger">>]},
                                              {exclude, [?FRIEND], [<<"stranger">>]},
                                              {exclude, [?STRANGER, ?FRIEND], []},
                                              {exclude, [], [<<"friend">>, <<"stranger">>]}]],
        ok
    end).

-spec multicast_loop_decides_whether_this_host_hears(config()) -> term().
multicast_loop_decides_whether_this_host_hears(_) ->
    with_hosts(fun(A, B) ->
        {Sender, Port} = group_member(A, 0),
        {Far, Port} = group_member(B, Port),
        [begin
             set(Sender, [{ip, multicast_loop, Loop}]),
             ok = ?S:sendto(Sender, <<"hello">>, #{family => inet, addr => ?GROUP, port => Port}),
             ?assertEqual({ok, <<"hello">>}, ?S:recv(Far, 0, ?PATIENCE)),
             ?assertEqual({Loop, Expected}, {Loop, heard(Sender)})
         end || {Loop, Expected} <- [{true, [<<"hello">>]}, {false, []}]],
        close({Sender, Far})
    end).

-spec multicast_ttl_is_that_of_what_is_sent(config()) -> term().
multicast_ttl_is_that_of_what_is_sent(_) ->
    {[Member], Port} = receivers(1),
    set(Member, [{ip, add_membership, mreq()}, {ip, recvttl, true}]),
    Sender = sender(?LOOPBACK),
    [begin
         to_group(Sender, <<"hello">>, Port),
         ?assertMatch({Ttl, {ok, #{ctrl := [#{level := ip, type := ttl, data := Ttl}]}}}, {Ttl, ?S:recvmsg(Member, ?PATIENCE)}),
         set(Sender, [{ip, multicast_ttl, 7}])
     end || Ttl <- [1, 7]],
    close({Member, Sender}).

%% ip(7), IP_MULTICAST_ALL: what any socket of the host has joined.
-spec multicast_all_hears_groups_of_others(config()) -> term().
multicast_all_hears_groups_of_others(_) ->
    {[Member, Curious], Port} = receivers(2),
    set(Member, [{ip, add_membership, mreq()}]),
    set(Curious, [{ip, multicast_all, true}]),
    Sender = sender(?LOOPBACK),
    to_group(Sender, <<"hello">>, Port),
    ?assertEqual([<<"hello">>], heard(Curious)),
    close([Member, Curious, Sender]).

-spec membership_errors_are_the_kernels(config()) -> term().
membership_errors_are_the_kernels(_) ->
    {[Socket], _} = receivers(1),
    [?assertEqual({Key, Value, {error, Reason}}, {Key, Value, ?S:setopt(Socket, ip, Key, Value)})
     || {Key, Value, Reason} <- [{drop_membership, mreq(), eaddrnotavail},
                                 {add_membership, #{multiaddr => {10, 0, 0, 1}, interface => ?LOOPBACK}, einval},
                                 {add_membership, #{multiaddr => ?GROUP, interface => {192, 0, 2, 77}}, enodev},
                                 {drop_source_membership, mreq(?FRIEND), einval}]],
    set(Socket, [{ip, add_membership, mreq()}]),
    ?assertEqual({error, eaddrinuse}, ?S:setopt(Socket, ip, add_membership, mreq())),
    [?assertMatch({error, {invalid, {not_supported, {ip, add_membership, _}}}}, outcome(fun() -> ?S:setopt(Socket, ip, add_membership, Bad) end))
     || Bad <- [foo, #{multiaddr => ?GROUP}, #{multiaddr => foo, interface => any}, #{multiaddr => ?GROUP, interface => 1}]],
    close(Socket).

%% ---- multicast across a link ----

-spec group_member(gosocket_test_netns:host(), inet:port_number()) -> {socket(), inet:port_number()}.
group_member(Host, Port) ->
    Socket = gosocket_test_netns:open(Host, inet, dgram, udp),
    #{addr := Addr} = address(Host, inet),
    {ok, Bound} = ?S:bind(Socket, #{family => inet, addr => any, port => Port}),
    set(Socket, [{ip, add_membership, #{multiaddr => ?GROUP, interface => Addr}}, {ip, multicast_if, Addr}]),
    {Socket, Bound}.

-spec group_is_heard_across_a_link_by_members_only(config()) -> term().
group_is_heard_across_a_link_by_members_only(_) ->
    with_hosts(fun(A, B) ->
        {Sender, Port} = group_member(A, 0),
        {Member, Port} = group_member(B, Port),
        #{addr := Source} = address(A, inet),
        ok = ?S:sendto(Sender, <<"hello">>, #{family => inet, addr => ?GROUP, port => Port}),
        ?assertMatch({ok, {#{addr := Source, port := Port}, <<"hello">>}}, ?S:recvfrom(Member, 0, ?PATIENCE)),
        set(Member, [{ip, drop_membership, #{multiaddr => ?GROUP, interface => maps:get(addr, address(B, inet))}}]),
        ok = ?S:sendto(Sender, <<"anybody?">>, #{family => inet, addr => ?GROUP, port => Port}),
        ok = ?S:sendto(Sender, <<"you">>, (address(B, inet))#{port => Port}),
        ?assertEqual({ok, <<"you">>}, ?S:recv(Member, 0, ?PATIENCE)),
        close({Sender, Member})
    end).

-spec inet6_group_is_heard_across_a_link_by_members_only(config()) -> term().
inet6_group_is_heard_across_a_link_by_members_only(_) ->
    with_hosts(fun(A, B) ->
        Sender = gosocket_test_netns:open(A, inet6, dgram, udp),
        [Member, Outsider] = [gosocket_test_netns:open(B, inet6, dgram, udp) || _ <- [1, 2]],
        [set(Socket, [{socket, reuseaddr, true}, {ipv6, multicast_all, false}]) || Socket <- [Member, Outsider]],
        {ok, Port} = ?S:bind(Member, any),
        {ok, Port} = ?S:bind(Outsider, #{family => inet6, port => Port}),
        Mreq = #{multiaddr => ?GROUP6, interface => ifindex(B)},
        set(Member, [{ipv6, add_membership, Mreq}, {ipv6, recvhoplimit, true}]),
        set(Sender, [{ipv6, multicast_hops, 9}]),
        Group = #{family => inet6, addr => ?GROUP6, port => Port, scope_id => ifindex(A)},
        #{addr := Source} = address(A, link),
        ok = ?S:sendto(Sender, <<"hello">>, Group),
        {ok, #{addr := From, iov := [<<"hello">>], ctrl := Ctrl}} = ?S:recvmsg(Member, ?PATIENCE),
        ?assertEqual({Source, ifindex(B)}, {maps:get(addr, From), maps:get(scope_id, From)}),
        ?assertEqual([#{level => ipv6, type => hoplimit, data => 9}], Ctrl),
        ?assertEqual([], heard(Outsider)),
        [begin
             set(Member, [{ipv6, Leave, Mreq}]),
             ok = ?S:sendto(Sender, <<"anybody?">>, Group),
             ok = ?S:sendto(Sender, <<"you">>, (address(B, inet6))#{port => Port}),
             {ok, <<"you">>} = first_of_two(Member, Outsider),
             ?assertEqual([], heard(Member) ++ heard(Outsider)),
             set(Member, [{ipv6, Join, Mreq}])
         end || {Leave, Join} <- [{drop_membership, join_group}, {leave_group, add_membership}]],
        close([Sender, Member, Outsider])
    end).

%% Two sockets on one port: the kernel chooses who gets what is for the host.
-spec first_of_two(socket(), socket()) -> {ok, binary()} | {error, timeout}.
first_of_two(A, B) ->
    case ?S:recv(A, 0, 20) of
        {error, timeout} ->
            case ?S:recv(B, 0, 20) of
                {error, timeout} -> first_of_two(A, B);
                Data -> Data
            end;
        Data ->
            Data
    end.

-spec inet6_multicast_needs_a_way_out(config()) -> term().
inet6_multicast_needs_a_way_out(_) ->
    with_hosts(fun(A, B) ->
        Sender = gosocket_test_netns:open(A, inet6, dgram, udp),
        Member = gosocket_test_netns:open(B, inet6, dgram, udp),
        {ok, Port} = ?S:bind(Member, any),
        set(Member, [{ipv6, join_group, #{multiaddr => ?GROUP6, interface => ifindex(B)}}]),
        set(Sender, [{ipv6, multicast_if, ifindex(A)}]),
        ?assertEqual({ok, ifindex(A)}, ?S:getopt(Sender, ipv6, multicast_if)),
        ok = ?S:sendto(Sender, <<"hello">>, #{family => inet6, addr => ?GROUP6, port => Port}),
        ?assertEqual({ok, <<"hello">>}, ?S:recv(Member, 0, ?PATIENCE)),
        ?assertEqual({error, enodev}, ?S:setopt(Sender, ipv6, multicast_if, 9999)),
        ?assertEqual({error, enodev}, ?S:setopt(Member, ipv6, join_group, #{multiaddr => ?GROUP6, interface => 9999})),
        ?assertEqual({error, einval}, ?S:setopt(Member, ipv6, join_group, #{multiaddr => {0, 0, 0, 0, 0, 0, 0, 1}, interface => 0})),
        close({Sender, Member})
    end).

%% RFC 3678, MCAST_JOIN_SOURCE_GROUP (46) and MCAST_LEAVE_SOURCE_GROUP (47) of level ipv6: struct group_source_req.
-spec inet6_source_filter_is_a_native_option(config()) -> term().
inet6_source_filter_is_a_native_option(_) ->
    with_hosts(fun(A, B) ->
        Sender = gosocket_test_netns:open(A, inet6, dgram, udp),
        Member = gosocket_test_netns:open(B, inet6, dgram, udp),
        set(Member, [{ipv6, multicast_all, false}]),
        {ok, Port} = ?S:bind(Member, any),
        #{addr := Source} = address(A, link),
        Request = fun(From) ->
            <<(ifindex(B)):32/native, 0:32, (storage(?GROUP6))/binary, (storage(From))/binary>>
        end,
        Group = #{family => inet6, addr => ?GROUP6, port => Port, scope_id => ifindex(A)},
        set(Member, [{41, 46, Request({16#fe80, 0, 0, 0, 0, 0, 0, 99})}]),
        ok = ?S:sendto(Sender, <<"filtered">>, Group),
        set(Member, [{41, 46, Request(Source)}]),
        ok = ?S:sendto(Sender, <<"heard">>, Group),
        ?assertEqual({ok, <<"heard">>}, ?S:recv(Member, 0, ?PATIENCE)),
        set(Member, [{41, 47, Request(Source)}]),
        ok = ?S:sendto(Sender, <<"filtered">>, Group),
        ok = ?S:sendto(Sender, <<"you">>, (address(B, inet6))#{port => Port}),
        ?assertEqual({ok, <<"you">>}, ?S:recv(Member, 0, ?PATIENCE)),
        close({Sender, Member})
    end).

%% struct sockaddr_storage with a sockaddr_in6 (ipv6(7)): family, port, flowinfo, address, scope
-spec storage(inet:ip6_address()) -> <<_:1024>>.
storage(Addr) ->
    <<10:16/native, 0:16, 0:32, (<< <<Word:16>> || Word <- tuple_to_list(Addr) >>)/binary, 0:32, 0:800>>.

%% ---- broadcast ----

-spec broadcast_reaches_every_socket_of_the_port(config()) -> term().
broadcast_reaches_every_socket_of_the_port(_) ->
    First = unconnected({inet, dgram}),
    set(First, [{socket, reuseaddr, true}]),
    {ok, Port} = ?S:bind(First, any),
    Second = unconnected({inet, dgram}),
    set(Second, [{socket, reuseaddr, true}]),
    {ok, Port} = ?S:bind(Second, #{family => inet, port => Port}),
    Sender = unconnected({inet, dgram}),
    set(Sender, [{socket, broadcast, true}]),
    ok = ?S:sendto(Sender, <<"hello">>, #{family => inet, addr => {127, 255, 255, 255}, port => Port}),
    [?assertEqual({ok, <<"hello">>}, ?S:recv(Socket, 0, ?PATIENCE)) || Socket <- [First, Second]],
    close([First, Second, Sender]).

-spec broadcast_needs_the_option(config()) -> term().
broadcast_needs_the_option(_) ->
    Socket = unconnected({inet, dgram}),
    To = #{family => inet, addr => {127, 255, 255, 255}, port => 9},
    ?assertEqual({error, {eacces, 1}}, ?S:sendto(Socket, <<"x">>, To)),
    ?assertEqual({error, eacces}, ?S:connect(Socket, To)),
    set(Socket, [{socket, broadcast, true}]),
    ?assertEqual(ok, ?S:sendto(Socket, <<"x">>, To)),
    ?assertEqual(ok, ?S:connect(Socket, To)),
    close(Socket).

-spec broadcast_reaches_the_hosts_of_the_link(config()) -> term().
broadcast_reaches_the_hosts_of_the_link(_) ->
    with_hosts(fun(A, B) ->
        [Sender, Receiver] = [gosocket_test_netns:open(Host, inet, dgram, udp) || Host <- [A, B]],
        {ok, Port} = ?S:bind(Receiver, any),
        {ok, _} = ?S:bind(Sender, address(A, inet)),
        set(Sender, [{socket, broadcast, true}, {socket, bindtodevice, "veth0"}]),
        [begin
             ok = ?S:sendto(Sender, <<"hello">>, #{family => inet, addr => Everybody, port => Port}),
             ?assertEqual({Everybody, {ok, {local_address(Sender), <<"hello">>}}}, {Everybody, ?S:recvfrom(Receiver, 0, ?PATIENCE)})
         end || Everybody <- [broadcast, {10, 77, 0, 255}]],
        close({Sender, Receiver})
    end).

%% ---- scopes ----

-spec link_local_datagram_has_a_scope_id(config()) -> term().
link_local_datagram_has_a_scope_id(_) ->
    with_hosts(fun(A, B) ->
        [Here, There] = [gosocket_test_netns:open(Host, inet6, dgram, udp) || Host <- [A, B]],
        {ok, HerePort} = ?S:bind(Here, address(A, link)),
        {ok, TherePort} = ?S:bind(There, address(B, link)),
        ?assertEqual((address(A, link))#{port => HerePort, flowinfo => 0}, local_address(Here)),
        ok = ?S:sendto(Here, <<"hello">>, (address(B, link))#{port => TherePort}),
        {ok, {Source, <<"hello">>}} = ?S:recvfrom(There, 0, ?PATIENCE),
        ?assertEqual((address(A, link))#{port => HerePort, flowinfo => 0}, Source),
        ok = ?S:sendto(There, <<"answer">>, Source),
        ?assertEqual({ok, <<"answer">>}, ?S:recv(Here, 0, ?PATIENCE)),
        close({Here, There})
    end).

-spec link_local_connection_has_a_scope_id(config()) -> term().
link_local_connection_has_a_scope_id(_) ->
    with_hosts(fun(A, B) ->
        Listener = gosocket_test_netns:open(B, inet6, stream, tcp),
        {ok, _} = ?S:bind(Listener, address(B, link)),
        ok = ?S:listen(Listener),
        Client = gosocket_test_netns:open(A, inet6, stream, tcp),
        Server = accepted(Listener, Client),
        ?assertEqual({ok, local_address(Listener)}, ?S:peername(Client)),
        ?assertEqual({ok, local_address(Client)}, ?S:peername(Server)),
        ok = ?S:send(Client, <<"hello">>),
        ?assertEqual({ok, <<"hello">>}, ?S:recv(Server, 5, ?PATIENCE)),
        close([Listener, Client, Server])
    end).

-spec link_local_address_needs_the_scope_of_an_interface(config()) -> term().
link_local_address_needs_the_scope_of_an_interface(_) ->
    with_hosts(fun(A, B) ->
        Socket = gosocket_test_netns:open(A, inet6, dgram, udp),
        Own = address(A, link),
        ?assertEqual({error, einval}, ?S:bind(Socket, maps:remove(scope_id, Own))),
        ?assertEqual({error, enodev}, ?S:bind(Socket, Own#{scope_id := 9999})),
        ?assertEqual({error, eaddrnotavail}, ?S:bind(Socket, Own#{scope_id := 1})),
        ?assertMatch({error, Reason} when Reason =:= einval; Reason =:= enetunreach, % by kernel
                     ?S:connect(Socket, maps:remove(scope_id, (address(B, link))#{port => 9}))),
        set(Socket, [{socket, bindtodevice, "veth0"}]),
        ?assertEqual(ok, ?S:connect(Socket, maps:remove(scope_id, (address(B, link))#{port => 9}))),
        close(Socket)
    end).
