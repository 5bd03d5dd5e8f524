%% The error queue (ip(7), IP_RECVERR): who reported what, by recvmsg with the flag errqueue.
-module(gosocket_errqueue_SUITE).

-export([
    closed_port_is_told_with_destination_payload_and_offender/1,
    error_read_from_the_queue_is_not_told_twice/1,
    error_told_to_a_waiting_recv_stays_in_the_queue/1,
    errors_come_in_order/1,
    empty_queue_is_waited_for_until_the_timeout/1,
    waiting_for_an_error_ends_when_it_comes/1,
    nowait_for_an_error_is_a_select/1,
    data_that_wait_are_no_select_for_the_error_queue/1,
    message_without_data_is_not_the_end_of_a_stream/1,
    error_that_comes_with_data_waiting_goes_before_none_of_it/1,
    local_sockets_have_no_error_queue/1,
    mapped_destination_has_a_mapped_offender/1,
    cut_error_is_bytes/1,
    every_type_and_code_of_icmp/1,
    every_type_and_code_of_icmp6/1,
    router_reports_what_it_cannot_forward/1,
    router_reports_a_packet_too_large_and_the_kernel_the_next_one/1,
    raw_socket_has_the_error_of_its_echo_request/1,
    connect_has_the_error_of_its_first_segment/1,
    time_stamp_of_sending_comes_with_origin_txstatus/1,
    time_stamps_of_a_stream_tell_what_they_are_of/1
]).

-define(OURS, [
    data_that_wait_are_no_select_for_the_error_queue,
    message_without_data_is_not_the_end_of_a_stream,
    error_read_from_the_queue_is_not_told_twice,
    error_told_to_a_waiting_recv_stays_in_the_queue,
    cut_error_is_bytes,
    time_stamp_of_sending_comes_with_origin_txstatus,
    time_stamps_of_a_stream_tell_what_they_are_of,
    empty_queue_is_waited_for_until_the_timeout
]).
-import(gosocket_test_msg, [set/2, is_now/1, checksum/1]).
-import(gosocket_test_netns, [with_hosts/1, alone/1, ip/2, exec/2, address/2]).
-include("gosocket_test.hrl").

-type family() :: {inet | inet6, Level :: ip | ipv6, Origin :: icmp | icmp6}.

-spec families() -> [family()].
families() ->
    [{inet, ip, icmp}] ++ [{inet6, ipv6, icmp6} || has_ipv6()].

%% A socket that keeps errors, and an address where nobody is.
-spec refused(family()) -> {socket(), map()}.
refused({Domain, Level, _}) ->
    Gone = bound({Domain, dgram}),
    Nobody = local_address(Gone),
    Socket = bound({Domain, dgram}),
    set(Socket, [{Level, recverr, true}]),
    close(Gone),
    {Socket, Nobody}.

-spec offender(inet | inet6, tuple()) -> map().
offender(inet, Addr) -> #{family => inet, addr => Addr, port => 0};
offender(inet6, Addr) -> #{family => inet6, addr => Addr, port => 0, flowinfo => 0, scope_id => 0}.

-spec port_unreach(family()) -> map().
port_unreach({Domain, Level, Origin}) ->
    Loopback = case Domain of
                   inet -> {127, 0, 0, 1};
                   inet6 -> {0, 0, 0, 0, 0, 0, 0, 1}
               end,
    #{level => Level, type => recverr,
      data => #{error => econnrefused, origin => Origin, type => dest_unreach, code => port_unreach,
                info => 0, data => 0, offender => offender(Domain, Loopback)}}.

-spec next_error(socket()) -> map().
next_error(Socket) ->
    {ok, #{ctrl := [#{type := recverr, data := Error}]}} = ?S:recvmsg(Socket, [errqueue], ?PATIENCE),
    Error.

%% ---- on loopback ----

-spec closed_port_is_told_with_destination_payload_and_offender(config()) -> term().
closed_port_is_told_with_destination_payload_and_offender(_) ->
    lists:foreach(fun(Family) ->
        {Socket, Nobody} = refused(Family),
        ok = ?S:sendto(Socket, <<"data">>, Nobody),
        ?assertEqual({ok, #{addr => Nobody, iov => [<<"data">>], flags => [errqueue], ctrl => [port_unreach(Family)]}},
                     ?S:recvmsg(Socket, [errqueue], ?PATIENCE)),
        close(Socket)
    end, families()).

-spec error_read_from_the_queue_is_not_told_twice(config()) -> term().
error_read_from_the_queue_is_not_told_twice(_) ->
    lists:foreach(fun(Family) ->
        {Socket, Nobody} = refused(Family),
        ok = ?S:sendto(Socket, <<"data">>, Nobody),
        #{error := econnrefused} = next_error(Socket),
        ?assertEqual({error, timeout}, ?S:recv(Socket, 0, 0)),
        ?assertEqual({error, timeout}, ?S:recvmsg(Socket, [errqueue], 0)),
        ?assertEqual({ok, none}, ?S:getopt(Socket, socket, error)),
        close(Socket)
    end, families()).

-spec error_told_to_a_waiting_recv_stays_in_the_queue(config()) -> term().
error_told_to_a_waiting_recv_stays_in_the_queue(_) ->
    lists:foreach(fun(Family) ->
        {Socket, Nobody} = refused(Family),
        Reader = start(fun() -> ?S:recv(Socket) end),
        await_parked(Socket, num_readers, 1),
        ok = ?S:sendto(Socket, <<"data">>, Nobody),
        ?assertEqual({error, econnrefused}, result(Reader)),
        ?assertMatch(#{error := econnrefused, code := port_unreach}, next_error(Socket)),
        close(Socket)
    end, families()).

-spec errors_come_in_order(config()) -> term().
errors_come_in_order(_) ->
    {Socket, Nobody} = refused(hd(families())),
    Payloads = [<<N>> || N <- lists:seq(1, 5)],
    %% A send tells the error of the one before it.
    [?S:sendto(Socket, Payload, Nobody) =:= ok orelse ?assertEqual(ok, ?S:sendto(Socket, Payload, Nobody)) || Payload <- Payloads],
    ?assertEqual(Payloads, [begin
                                {ok, #{iov := [Payload]}} = ?S:recvmsg(Socket, [errqueue], ?PATIENCE),
                                Payload
                            end || _ <- Payloads]),
    close(Socket).

-spec empty_queue_is_waited_for_until_the_timeout(config()) -> term().
empty_queue_is_waited_for_until_the_timeout(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        ok = ?S:send(A, <<"data">>), % which is no error
        ?assertEqual({error, timeout}, ?S:recvmsg(B, [errqueue], 0)),
        {Elapsed, Result} = elapsed(fun() -> ?S:recvmsg(B, [errqueue], 50) end),
        ?assertEqual({error, timeout}, Result),
        ?assert(Elapsed >= 50),
        ?assertEqual({ok, <<"data">>}, ?S:recv(B, 4, ?PATIENCE)),
        close({A, B})
    end, [Kind || {Domain, _} = Kind <- kinds(), Domain =/= local]).

-spec waiting_for_an_error_ends_when_it_comes(config()) -> term().
waiting_for_an_error_ends_when_it_comes(_) ->
    lists:foreach(fun(Family) ->
        {Socket, Nobody} = refused(Family),
        Reader = start(fun() -> ?S:recvmsg(Socket, [errqueue]) end),
        await_parked(Socket, num_readers, 1),
        ok = ?S:sendto(Socket, <<"data">>, Nobody),
        Expected = [port_unreach(Family)],
        ?assertMatch({ok, #{flags := [errqueue], ctrl := Expected}}, result(Reader)),
        close(Socket)
    end, families()).

-spec nowait_for_an_error_is_a_select(config()) -> term().
nowait_for_an_error_is_a_select(_) ->
    {Socket, Nobody} = refused(hd(families())),
    {select, SelectInfo} = ?S:recvmsg(Socket, [errqueue], nowait),
    ok = ?S:sendto(Socket, <<"data">>, Nobody),
    await_select(Socket, SelectInfo),
    ?assertMatch({ok, #{flags := [errqueue]}}, ?S:recvmsg(Socket, [errqueue], nowait)),
    no_messages(Socket),
    close(Socket).

-spec data_that_wait_are_no_select_for_the_error_queue(config()) -> term().
data_that_wait_are_no_select_for_the_error_queue(_) ->
    {Socket, Nobody} = refused(hd(families())),
    Friend = bound({inet, dgram}),
    ok = ?S:sendto(Friend, <<"early">>, local_address(Socket)),
    {select, SelectInfo} = ?S:recvmsg(Socket, [errqueue], nowait),
    ok = ?S:sendto(Friend, <<"late">>, local_address(Socket)),
    no_messages(Socket),
    ok = ?S:sendto(Socket, <<"data">>, Nobody),
    await_select(Socket, SelectInfo),
    ?assertMatch({ok, #{iov := [<<"data">>]}}, ?S:recvmsg(Socket, [errqueue], nowait)),
    ?assertEqual([{ok, <<"early">>}, {ok, <<"late">>}], [?S:recv(Socket, 0, ?PATIENCE) || _ <- [1, 2]]),
    close({Socket, Friend}).

%% Such are the time stamps of what was sent; a local stream takes no notice of the flag, at its end either.
-spec message_without_data_is_not_the_end_of_a_stream(config()) -> term().
message_without_data_is_not_the_end_of_a_stream(_) ->
    {A, B} = pair({inet, stream}),
    set(A, [{socket, timestamping, [tx_ack, software, opt_tsonly]}]),
    [begin
         ok = ?S:send(A, <<"x">>),
         ?assertEqual(Expected, Receive())
     end || {Receive, Expected} <- [{fun() -> ?S:recv(A, 0, [errqueue], ?PATIENCE) end, {ok, <<>>}},
                                    {fun() -> ?S:recvfrom(A, 0, [errqueue], ?PATIENCE) end, {ok, {undefined, <<>>}}}]],
    close({A, B}),
    {C, D} = pair({local, stream}),
    close(D),
    ?assertEqual({error, closed}, ?S:recv(C, 0, [errqueue], ?PATIENCE)),
    ?assertEqual({error, closed}, ?S:recvmsg(C, [errqueue], ?PATIENCE)),
    close(C).

-spec error_that_comes_with_data_waiting_goes_before_none_of_it(config()) -> term().
error_that_comes_with_data_waiting_goes_before_none_of_it(_) ->
    {Socket, Nobody} = refused(hd(families())),
    Friend = bound({inet, dgram}),
    ok = ?S:sendto(Friend, <<"hello">>, local_address(Socket)),
    ok = ?S:sendto(Socket, <<"data">>, Nobody),
    ?assertMatch({ok, #{iov := [<<"data">>], flags := [errqueue]}}, ?S:recvmsg(Socket, [errqueue], ?PATIENCE)),
    ?assertMatch({ok, #{iov := [<<"hello">>], flags := []}}, ?S:recvmsg(Socket, ?PATIENCE)),
    close({Socket, Friend}).

-spec local_sockets_have_no_error_queue(config()) -> term().
local_sockets_have_no_error_queue(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        ok = ?S:send(A, <<"data">>),
        ?assertMatch({Kind, {ok, #{iov := [<<"data">>], flags := []}}}, {Kind, ?S:recvmsg(B, [errqueue], ?PATIENCE)}),
        close({A, B})
    end, [Kind || {local, _} = Kind <- kinds()]).

-spec mapped_destination_has_a_mapped_offender(config()) -> term().
mapped_destination_has_a_mapped_offender(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    {Unused, #{port := Port}} = refused({inet, ip, icmp}),
    Socket = unconnected({inet6, dgram}),
    set(Socket, [{ipv6, v6only, false}, {ipv6, recverr, true}, {ip, recverr, true}]),
    Mapped = {0, 0, 0, 0, 0, 65535, 16#7f00, 1},
    ok = ?S:sendto(Socket, <<"data">>, #{family => inet6, addr => Mapped, port => Port}),
    {ok, #{addr := Addr, ctrl := Ctrl}} = ?S:recvmsg(Socket, [errqueue], ?PATIENCE),
    ?assertEqual(#{family => inet6, addr => Mapped, port => Port, flowinfo => 0, scope_id => 0}, Addr),
    Offender = offender(inet6, Mapped),
    ?assertMatch([#{level := ipv6, type := recverr,
                    data := #{error := econnrefused, origin := icmp, type := dest_unreach, code := port_unreach, offender := Offender}}],
                 Ctrl),
    close({Socket, Unused}).

%% The header of a control message takes 16 bytes, what it says of an error 16, and the offender 16.
-spec cut_error_is_bytes(config()) -> term().
cut_error_is_bytes(_) ->
    {Socket, Nobody} = refused({inet, ip, icmp}),
    [begin
         ok = ?S:sendto(Socket, <<"data">>, Nobody),
         {ok, #{ctrl := Ctrl, flags := Flags}} = ?S:recvmsg(Socket, 0, Room, [errqueue], ?PATIENCE),
         ?assertEqual({Room, [ctrunc, errqueue]}, {Room, Flags}),
         Size = Room - 16,
         ?assertMatch({Room, [#{level := ip, type := recverr, data := <<111:32/native, 2, 3, 3, _/binary>> = Data}]}
                        when byte_size(Data) =:= Size, {Room, Ctrl})
     end || Room <- [32, 40, 47]],
    close(Socket).

%% ---- every type and code ----

%% What another host would send, sent to ourselves: an ICMP error with the start of the packet that it is about. In a
%% namespace of its own, because the kernel remembers what it is told of a path.
-spec injected(inet | inet6, fun((fun((Type :: byte(), Code :: byte(), Rest :: binary()) -> ok), socket()) -> ok)) -> ok.
injected(Domain, Test) ->
    alone(fun(Host) ->
        {Level, Protocol} = case Domain of
                                inet -> {ip, icmp};
                                inet6 -> {ipv6, {raw, 58}}
                            end,
        Socket = gosocket_test_netns:open(Host, Domain, dgram, udp),
        set(Socket, [{Level, recverr, true}]),
        {ok, Port} = ?S:bind(Socket, loopback),
        Raw = gosocket_test_netns:open(Host, Domain, raw, Protocol),
        About = about(Domain, Port),
        ok = Test(fun(Type, Code, Rest) ->
            ?S:sendto(Raw, checked(Domain, <<Type, Code, 0:16, Rest:4/binary, About/binary>>), #{family => Domain, addr => loopback})
        end, Socket),
        close({Socket, Raw})
    end).

%% IP and UDP headers of a datagram from a port of ours to port 9 of loopback.
-spec about(inet | inet6, inet:port_number()) -> binary().
about(inet, Port) -> <<16#45, 0, 32:16, 0:32, 64, 17, 0:16, 127, 0, 0, 1, 127, 0, 0, 1, Port:16, 9:16, 12:16, 0:16, "data">>;
about(inet6, Port) -> <<6:4, 0:28, 12:16, 17, 64, 1:128, 1:128, Port:16, 9:16, 12:16, 0:16, "data">>.

%% The kernel sees to the checksum of ICMPv6 (RFC 3542), to that of ICMP the sender does.
-spec checked(inet | inet6, binary()) -> binary().
checked(inet6, Packet) ->
    Packet;
checked(inet, Packet) ->
    checksum(Packet).

-spec check_injected(inet | inet6, icmp | icmp6, tuple(), [tuple()]) -> ok.
check_injected(Domain, Origin, Loopback, Rows) ->
    injected(Domain, fun(Inject, Socket) ->
        [begin
             ok = Inject(Type, Code, <<Rest:32>>),
             ?assertEqual({Type, Code, #{error => Error, origin => Origin, type => TypeName, code => CodeName, info => Info,
                                         data => 0, offender => offender(Domain, Loopback)}},
                          {Type, Code, next_error(Socket)})
         end || {Type, Code, Rest, Error, TypeName, CodeName, Info} <- Rows],
        ?assertEqual({error, timeout}, ?S:recvmsg(Socket, [errqueue], 0)),
        ok
    end).

-spec every_type_and_code_of_icmp(config()) -> term().
every_type_and_code_of_icmp(_) ->
    Unreachable = [{net_unreach, enetunreach}, {host_unreach, ehostunreach}, {2, enoprotoopt}, {port_unreach, econnrefused},
                   {frag_needed, emsgsize}, {5, enotsup}, {net_unknown, enetunreach}, {host_unknown, ehostdown}, {8, enonet},
                   {9, enetunreach}, {10, ehostunreach}, {11, enetunreach}, {12, ehostunreach}, {13, ehostunreach},
                   {14, ehostunreach}, {15, ehostunreach}],
    Rows = [{3, Code, 1300, Error, dest_unreach, Name, case Name of frag_needed -> 1300; _ -> 0 end}
            || {Code, {Name, Error}} <- lists:zip(lists:seq(0, 15), Unreachable)]
        ++ [{11, 0, 0, ehostunreach, time_exceeded, 0, 0}, {12, 0, 16#05000000, eproto, 12, 0, 5}, {12, 1, 0, eproto, 12, 1, 0}],
    check_injected(inet, icmp, {127, 0, 0, 1}, Rows).

-spec every_type_and_code_of_icmp6(config()) -> term().
every_type_and_code_of_icmp6(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    Unreachable = [{noroute, enetunreach}, {adm_prohibited, eacces}, {not_neighbour, ehostunreach}, {addr_unreach, ehostunreach},
                   {port_unreach, econnrefused}, {policy_fail, eacces}, {reject_route, eacces}, {7, eproto}, {8, eproto}],
    Rows = [{1, Code, 0, Error, dest_unreach, Name, 0} || {Code, {Name, Error}} <- lists:zip(lists:seq(0, 8), Unreachable)]
        ++ [{2, 0, 1300, emsgsize, pkt_toobig, 0, 1300}, {3, 0, 0, ehostunreach, time_exceeded, 0, 0},
            {3, 1, 0, ehostunreach, time_exceeded, 1, 0}, {4, 0, 6, eproto, 4, 0, 6}, {4, 2, 0, eproto, 4, 2, 0},
            {100, 0, 0, eproto, 100, 0, 0}],
    check_injected(inet6, icmp6, {0, 0, 0, 0, 0, 0, 0, 1}, Rows).

%% ---- by a router ----

%% Host B forwards, between its veth end and a second network whose link carries 1300 bytes.
-spec with_router(fun((Client :: gosocket_test_netns:host(), Router :: gosocket_test_netns:host()) -> Result)) -> Result.
with_router(Test) ->
    with_hosts(fun(A, B) ->
        "" = exec(B, "sh -c 'cd /proc/sys/net && echo 1 >ipv4/ip_forward && echo 1 >ipv6/conf/all/forwarding"
                     " && echo 0 >ipv4/icmp_ratemask && echo 0 >ipv6/icmp/ratelimit' 2>&1"),
        ok = ip(B, "link add far0 mtu 1300 type veth peer name far1 mtu 1300"),
        [ok = ip(B, ["link set ", Link, " up"]) || Link <- ["far0", "far1"]],
        ok = ip(B, "route add 10.78.1.0/24 dev far0"),
        ok = ip(B, "-6 route add fd78:1::/64 dev far0"),
        ok = ip(B, "route add prohibit 10.78.2.0/24"),
        ok = ip(B, "-6 route add prohibit fd78:2::/64"),
        ok = ip(B, "route add unreachable 10.78.3.0/24"),
        ok = ip(A, "route add 10.78.0.0/16 via 10.77.0.2"),
        ok = ip(A, "-6 route add fd78::/16 via fd77::2"),
        Test(A, B)
    end).

-spec far(inet | inet6, byte()) -> map().
far(inet, Net) -> #{family => inet, addr => {10, 78, Net, 9}, port => 4711};
far(inet6, Net) -> #{family => inet6, addr => {16#fd78, Net, 0, 0, 0, 0, 0, 9}, port => 4711}.

-spec router_reports_what_it_cannot_forward(config()) -> term().
router_reports_what_it_cannot_forward(_) ->
    with_router(fun(A, B) ->
        [begin
             Socket = gosocket_test_netns:open(A, Domain, dgram, udp),
             set(Socket, [{Level, recverr, true}] ++ Options),
             ok = ?S:sendto(Socket, <<"data">>, far(Domain, Net)),
             ?assertEqual({Net, #{error => Error, origin => Origin, type => Type, code => Code, info => 0, data => 0,
                                  offender => offender(Domain, maps:get(addr, address(B, Domain)))}},
                          {Net, next_error(Socket)}),
             close(Socket)
         end || {{Domain, Level, Origin}, Net, Options, Error, Type, Code} <- [
            {{inet, ip, icmp}, 1, [{ip, ttl, 1}], ehostunreach, time_exceeded, 0},
            {{inet, ip, icmp}, 2, [], ehostunreach, dest_unreach, 13},
            {{inet, ip, icmp}, 3, [], ehostunreach, dest_unreach, host_unreach},
            {{inet, ip, icmp}, 4, [], enetunreach, dest_unreach, net_unreach},
            {{inet6, ipv6, icmp6}, 1, [{ipv6, unicast_hops, 1}], ehostunreach, time_exceeded, 0},
            {{inet6, ipv6, icmp6}, 2, [], eacces, dest_unreach, adm_prohibited},
            {{inet6, ipv6, icmp6}, 4, [], enetunreach, dest_unreach, noroute}]]
    end).

-spec router_reports_a_packet_too_large_and_the_kernel_the_next_one(config()) -> term().
router_reports_a_packet_too_large_and_the_kernel_the_next_one(_) ->
    with_router(fun(A, B) ->
        [begin
             Socket = gosocket_test_netns:open(A, Domain, dgram, udp),
             set(Socket, [{Level, recverr, true}, {Level, mtu_discover, do}]),
             Payload = binary:copy(<<"x">>, 1400),
             ok = ?S:sendto(Socket, Payload, far(Domain, 1)),
             ?assertEqual(#{error => emsgsize, origin => Origin, type => Type, code => Code, info => 1300, data => 0,
                            offender => offender(Domain, maps:get(addr, address(B, Domain)))}, next_error(Socket)),
             ?assertEqual({error, {emsgsize, 1400}}, ?S:sendto(Socket, Payload, far(Domain, 1))),
             ?assertEqual(#{error => emsgsize, origin => local, type => 0, code => 0, info => 1300, data => 0, offender => undefined},
                          next_error(Socket)),
             close(Socket)
         end || {{Domain, Level, Origin}, Type, Code} <- [{{inet, ip, icmp}, dest_unreach, frag_needed},
                                                          {{inet6, ipv6, icmp6}, pkt_toobig, 0}]]
    end).

-spec raw_socket_has_the_error_of_its_echo_request(config()) -> term().
raw_socket_has_the_error_of_its_echo_request(_) ->
    with_router(fun(A, _) ->
        Socket = gosocket_test_netns:open(A, inet, raw, icmp),
        set(Socket, [{ip, recverr, true}, {ip, ttl, 1}]),
        Echo = checked(inet, <<8, 0, 0:16, 1:16, 1:16, "ping">>),
        ok = ?S:sendto(Socket, Echo, far(inet, 1)),
        {ok, #{addr := Addr, iov := [Payload], ctrl := Ctrl}} = ?S:recvmsg(Socket, [errqueue], ?PATIENCE),
        ?assertEqual({#{family => inet, addr => {10, 78, 1, 9}, port => 0}, Echo}, {Addr, Payload}),
        ?assertMatch([#{level := ip, type := recverr, data := #{error := ehostunreach, origin := icmp, type := time_exceeded}}], Ctrl),
        close(Socket)
    end).

-spec connect_has_the_error_of_its_first_segment(config()) -> term().
connect_has_the_error_of_its_first_segment(_) ->
    with_router(fun(A, B) ->
        Socket = gosocket_test_netns:open(A, inet, stream, tcp),
        set(Socket, [{ip, recverr, true}]),
        Connect = start(fun() -> ?S:connect(Socket, far(inet, 2), ?PATIENCE) end),
        ?assertEqual(#{error => ehostunreach, origin => icmp, type => dest_unreach, code => 13, info => 0, data => 0,
                       offender => offender(inet, maps:get(addr, address(B, inet)))}, next_error(Socket)),
        ok = ?S:close(Socket),
        ?assertMatch({error, Reason} when Reason =:= closed; Reason =:= ehostunreach, result(Connect))
    end).

%% ---- not an error at all ----

%% Linux, timestamping.rst: the first packets after the first use may lack theirs.
-spec time_stamp_of_sending_comes_with_origin_txstatus(config()) -> term().
time_stamp_of_sending_comes_with_origin_txstatus(_) ->
    {A, B} = pair({inet, dgram}),
    set(A, [{socket, timestamping, [tx_software, software, opt_tsonly, opt_id]}]),
    {ok, #{addr := undefined, iov := [<<>>], flags := [errqueue], ctrl := Ctrl}} = stamped(A),
    ?assertMatch([[#{sec := _, nsec := _} = Time, _, _]]
                   when is_map(Time), [Data || #{level := socket, type := timestamping, data := Data} <- Ctrl]),
    [[Time | _]] = [Data || #{level := socket, type := timestamping, data := Data} <- Ctrl],
    ?assert(is_now(Time)),
    [#{data := Counter} = Status] = [Data || #{level := ip, type := recverr, data := Data} <- Ctrl],
    ?assertEqual(#{error => enomsg, origin => txstatus, type => 0, code => 0, info => 0, data => Counter, offender => undefined},
                 Status),
    close({A, B}).

-spec stamped(socket()) -> term().
stamped(Socket) ->
    ok = ?S:send(Socket, <<"data">>),
    case ?S:recvmsg(Socket, [errqueue], 0) of
        {error, timeout} -> stamped(Socket);
        Message -> Message
    end.

%% Linux, timestamping.rst: info is 1 for the queue of the device, 0 for the device, 2 for the peer's acknowledgement; data
%% counts bytes. With opt_stats come the numbers of struct tcp_info at that time.
-spec time_stamps_of_a_stream_tell_what_they_are_of(config()) -> term().
time_stamps_of_a_stream_tell_what_they_are_of(_) ->
    {A, B} = pair({inet, stream}),
    set(A, [{socket, timestamping, [tx_sched, tx_software, tx_ack, software, opt_id, opt_tsonly, opt_stats]}]),
    ok = ?S:send(A, <<"0123456789">>),
    ?assertEqual({ok, <<"0123456789">>}, ?S:recv(B, 10, ?PATIENCE)),
    Messages = [begin
                    {ok, #{ctrl := Ctrl, flags := [errqueue]}} = ?S:recvmsg(A, [errqueue], ?PATIENCE),
                    Ctrl
                end || _ <- [1, 2, 3]],
    ?assertEqual([{0, 9}, {1, 9}, {2, 9}], lists:sort([{Info, Counter} || Ctrl <- Messages,
                                                       #{type := recverr, data := #{info := Info, data := Counter,
                                                                                    origin := txstatus}} <- Ctrl])),
    [begin
         ?assertMatch([[#{sec := _, nsec := _}, _, _]], [Times || #{level := socket, type := timestamping, data := Times} <- Ctrl]),
         ?assertMatch([<<_:100/binary, _/binary>>], [Stats || #{level := socket, type := 54, data := Stats} <- Ctrl])
     end || Ctrl <- Messages],
    close({A, B}).
