%% SCTP: control messages and notifications. Skipped on kernels that have none.
-module(gosocket_sctp_message_SUITE).

-export([
    what_is_sent_with_sndinfo_arrives_with_rcvinfo/1,
    sndrcv_goes_both_ways/1,
    the_next_message_is_told_in_advance/1,
    init_gives_the_streams_of_an_implicit_association/1,
    dstaddr_gives_further_addresses_of_a_peer/1,
    prinfo_gives_up_what_waits_too_long/1,
    an_association_ends_by_a_flag/1,
    control_messages_go_by_number_and_as_bytes/1,
    bad_control_messages_are_einval/1,
    control_messages_that_have_no_room_are_cut/1,
    notifications_tell_the_life_of_an_association/1,
    an_aborted_association_gives_back_what_was_not_sent/1,
    notifications_tell_what_a_peer_says_of_itself/1,
    notifications_tell_of_the_paths_to_a_peer/1,
    notifications_tell_of_streams/1,
    a_notification_longer_than_the_buffer_comes_in_pieces/1,
    only_recvmsg_tells_notifications_from_data/1,
    every_notification_is_decoded/1,
    what_is_no_notification_is_badarg/1
]).

-import(gosocket_test_sctp, [sctp_listener/2, sctp_pair/1, many/1, events/1, notification/1]).

-define(OURS, []).
-define(LACKING, gosocket_test_sctp:lacking()).
-include("gosocket_test.hrl").

%% <linux/sctp.h>
-define(IPPROTO_SCTP, 132).
-define(SCTP_SNDINFO, 2).
-define(SCTP_UNORDERED, 1).
-define(SCTP_ABORT, 4).
-define(SCTP_EOF, 16#200).
-define(MSG_NOTIFICATION, 16#8000).

%% ---- Control messages

-spec what_is_sent_with_sndinfo_arrives_with_rcvinfo(config()) -> term().
what_is_sent_with_sndinfo_arrives_with_rcvinfo(_) ->
    {Client, Server} = sctp_pair(inet),
    ok = ?S:setopt(Server, sctp, recvrcvinfo, true),
    ok = ?S:sendmsg(Client, message(sndinfo, #{sid => 3, flags => ?SCTP_UNORDERED, ppid => 16#01020304, context => 5}, <<"three">>)),
    ok = ?S:sendmsg(Client, message(sndinfo, #{sid => 4}, <<"four">>)),
    {ok, #{ctrl := [#{level := sctp, type := rcvinfo, data := First}], iov := [<<"three">>], flags := [eor]}} =
        ?S:recvmsg(Server, ?PATIENCE),
    ?assertMatch(#{sid := 3, flags := ?SCTP_UNORDERED, ppid := 16#01020304, context := 0}, First),
    {ok, #{ctrl := [#{data := Second}]}} = ?S:recvmsg(Server, ?PATIENCE),
    ?assertMatch(#{sid := 4, ssn := 0, flags := 0, ppid := 0}, Second),
    ?assertEqual(maps:get(tsn, First) + 1, maps:get(tsn, Second)),
    close({Client, Server}).

-spec sndrcv_goes_both_ways(config()) -> term().
sndrcv_goes_both_ways(_) ->
    {Server, [Client]} = many(1),
    ok = ?S:setopt(Server, sctp, events, events([data_in])),
    Address = local_address(Server),
    ok = ?S:sendmsg(Client, (message(sndrcv, #{stream => 2, ppid => 7}, <<"there">>))#{addr => Address}),
    {ok, #{ctrl := [#{level := sctp, type := sndrcv, data := Info}], iov := [<<"there">>]}} = ?S:recvmsg(Server, ?PATIENCE),
    #{stream := 2, ppid := 7, assoc_id := Id} = Info,
    %% An association is as good as an address.
    ok = ?S:sendmsg(Server, message(sndrcv, #{stream => 1, assoc_id => Id}, <<"and back">>)),
    ?assertEqual({ok, <<"and back">>}, ?S:recv(Client, 0, ?PATIENCE)),
    close({Client, Server}).

-spec the_next_message_is_told_in_advance(config()) -> term().
the_next_message_is_told_in_advance(_) ->
    {Client, Server} = sctp_pair(inet),
    [ok = ?S:setopt(Server, sctp, Key, true) || Key <- [recvnxtinfo, recvrcvinfo]],
    ok = ?S:setopt(Server, sctp, events, events([data_in, shutdown])),
    ok = ?S:send(Client, <<"one">>),
    ok = ?S:sendmsg(Client, message(sndinfo, #{sid => 2, ppid => 9}, <<"twenty">>)),
    ok = ?S:shutdown(Client, write),
    wait_until(fun() -> {ok, #{rwnd := _, state := State}} = status(Server), State =/= established end),
    {ok, #{ctrl := First}} = ?S:recvmsg(Server, ?PATIENCE),
    ?assertMatch([{nxtinfo, #{sid := 2, ppid := 9, length := 6}}, {rcvinfo, #{sid := 0}}, {sndrcv, #{stream := 0}}],
                 [{Type, Data} || #{level := sctp, type := Type, data := Data} <- First]),
    {ok, #{ctrl := [#{type := nxtinfo, data := #{flags := Flags}} | _]}} = ?S:recvmsg(Server, ?PATIENCE),
    ?assertEqual(?MSG_NOTIFICATION, Flags),
    ?assertMatch(#{type := shutdown_event}, notification(Server)),
    close({Client, Server}).

%% An association that has ended has no status.
-spec status(socket()) -> {ok, map()}.
status(Socket) ->
    case ?S:getopt(Socket, sctp, status) of
        {ok, Status} -> {ok, Status};
        {error, einval} -> {ok, #{rwnd => 0, state => none}}
    end.

-spec init_gives_the_streams_of_an_implicit_association(config()) -> term().
init_gives_the_streams_of_an_implicit_association(_) ->
    {Server, [Client]} = many(1),
    ok = ?S:sendmsg(Client, (message(init, #{num_outstreams => 3, max_instreams => 2}, <<"x">>))#{addr => local_address(Server)}),
    {ok, <<"x">>} = ?S:recv(Server, 0, ?PATIENCE),
    {ok, [Id]} = ?S:getopt(Server, sctp, get_assoc_id_list),
    ?assertMatch({ok, #{state := established, instrms := 3, outstrms := 2}}, ?S:getopt(Server, sctp, {status, #{assoc_id => Id}})),
    close({Client, Server}).

-spec dstaddr_gives_further_addresses_of_a_peer(config()) -> term().
dstaddr_gives_further_addresses_of_a_peer(_) ->
    {ok, Server} = ?S:open(inet, seqpacket, sctp),
    ok = ?S:bind(Server, [#{family => inet, addr => {127, 0, 1, N}, port => 0} || N <- [1, 2]], add),
    ok = ?S:listen(Server),
    #{port := Port} = local_address(Server),
    {ok, Client} = ?S:open(inet, seqpacket, sctp),
    ok = ?S:sendmsg(Client, (message(dstaddrv4, {127, 0, 1, 2}, <<"x">>))#{addr => #{family => inet, addr => {127, 0, 1, 1}, port => Port}}),
    {ok, [Id]} = ?S:getopt(Client, sctp, get_assoc_id_list),
    {ok, Addresses} = ?S:getopt(Client, sctp, {get_peer_addrs, #{assoc_id => Id}}),
    ?assertEqual([{127, 0, 1, 1}, {127, 0, 1, 2}], lists:sort([Address || #{addr := Address} <- Addresses])),
    close({Client, Server}).

-spec prinfo_gives_up_what_waits_too_long(config()) -> term().
prinfo_gives_up_what_waits_too_long(_) ->
    {Client, Server} = sctp_pair(inet),
    Late = message(prinfo, #{policy => ttl, value => 1}, random(4000)),
    ok = fill_window(Client),
    ok = ?S:sendmsg(Client, Late, ?PATIENCE),
    Reader = start(fun() -> drain(Server) end),
    wait_until(fun() ->
        {ok, #{abandoned_unsent := N}} = ?S:getopt(Client, sctp, {pr_assoc_status, #{policy => ttl}}),
        N =:= 1
    end),
    ok = ?S:shutdown(Client, write),
    ?assertEqual(nomatch, binary:match(result(Reader), maps:get(iov, Late))),
    close({Client, Server}).

%% Until the peer has no room: what is sent then waits here. One packet more is sent to a peer without room, to hear when
%% it has some; the second message is that.
-spec fill_window(socket()) -> ok.
fill_window(Socket) ->
    ok = ?S:send(Socket, binary:copy(<<$w>>, 130000), ?PATIENCE),
    ok = ?S:send(Socket, <<"is there room?">>, ?PATIENCE).

-spec an_association_ends_by_a_flag(config()) -> term().
an_association_ends_by_a_flag(_) ->
    [begin
         {Server, [Client]} = many(1),
         ok = ?S:setopt(Server, sctp, events, events([association, shutdown])),
         ok = ?S:connect(Client, local_address(Server), ?PATIENCE),
         {ok, [Id]} = ?S:getopt(Client, sctp, get_assoc_id_list),
         ?assertMatch(#{type := assoc_change, state := comm_up}, notification(Server)),
         ok = ?S:sendmsg(Client, message(sndinfo, #{sid => 0, flags => Flag, assoc_id => Id}, Data)),
         [?assertEqual(Expected, maps:with(maps:keys(Expected), notification(Server))) || Expected <- Events],
         wait_until(fun() -> ?S:getopt(Client, sctp, get_assoc_number) =:= {ok, 0} end),
         close({Client, Server})
     end || {Flag, Data, Events} <-
                [{?SCTP_EOF, <<>>, [#{type => shutdown_event}, #{type => assoc_change, state => shutdown_comp}]},
                 %% cause 12 of RFC 9260, section 3.3.10: the user's abort, with the user's reason
                 {?SCTP_ABORT, <<"enough">>,
                  [#{type => assoc_change, state => comm_lost, error => 12, info => <<12:16, 10:16, "enough">>}]}]].

-spec control_messages_go_by_number_and_as_bytes(config()) -> term().
control_messages_go_by_number_and_as_bytes(_) ->
    {Client, Server} = sctp_pair(inet),
    ok = ?S:setopt(Server, sctp, recvrcvinfo, true),
    Bytes = <<6:16/native, 0:16, 8:32/native, 0:32, 0:32>>,
    [begin
         ok = ?S:sendmsg(Client, #{iov => [<<"x">>], ctrl => [#{level => Level, type => Type, data => Bytes}]}),
         ?assertMatch({ok, #{ctrl := [#{type := rcvinfo, data := #{sid := 6, ppid := 8}}]}}, ?S:recvmsg(Server, ?PATIENCE))
     end || {Level, Type} <- [{sctp, sndinfo}, {sctp, ?SCTP_SNDINFO}, {?IPPROTO_SCTP, sndinfo}, {?IPPROTO_SCTP, ?SCTP_SNDINFO}]],
    close({Client, Server}).

-spec bad_control_messages_are_einval(config()) -> term().
bad_control_messages_are_einval(_) ->
    {Client, Server} = sctp_pair(inet),
    [?assertEqual({Type, Data, {error, einval}}, {Type, Data, ?S:sendmsg(Client, message(Type, Data, <<"x">>))})
     || {Type, Data} <- [{sndinfo, #{sid => 10}}, {sndinfo, #{sid => 65536}}, {sndinfo, <<1, 2>>}, {sndinfo, 7}, {rcvinfo, #{sid => 1}},
                         {prinfo, #{policy => later}}, {authinfo, true}, {no_such, <<>>}, {dstaddrv4, {127, 0, 0}}]],
    ok = ?S:send(Client, <<"still fine">>),
    ?assertEqual({ok, <<"still fine">>}, ?S:recv(Server, 0, ?PATIENCE)),
    close({Client, Server}).

-spec control_messages_that_have_no_room_are_cut(config()) -> term().
control_messages_that_have_no_room_are_cut(_) ->
    {Client, Server} = sctp_pair(inet),
    ok = ?S:setopt(Server, sctp, recvrcvinfo, true),
    ok = ?S:send(Client, <<"x">>),
    {ok, #{ctrl := Ctrl, flags := Flags, iov := [<<"x">>]}} = ?S:recvmsg(Server, 0, 20, [], ?PATIENCE),
    ?assertMatch([#{level := sctp, type := rcvinfo, data := Cut}] when byte_size(Cut) < 28, Ctrl),
    ?assertEqual([eor, ctrunc], Flags),
    close({Client, Server}).

-spec message(atom(), term(), binary()) -> map().
message(Type, Data, Payload) ->
    #{iov => [Payload], ctrl => [#{level => sctp, type => Type, data => Data}]}.

%% ---- Notifications

-spec notifications_tell_the_life_of_an_association(config()) -> term().
notifications_tell_the_life_of_an_association(_) ->
    {Server, [Client]} = many(1),
    [ok = ?S:setopt(Socket, sctp, events, events([association, shutdown, sender_dry])) || Socket <- [Server, Client]],
    ok = ?S:connect(Client, local_address(Server), ?PATIENCE),
    {ok, [Id]} = ?S:getopt(Client, sctp, get_assoc_id_list),
    ?assertEqual(#{type => assoc_change, flags => 0, state => comm_up, error => 0, outbound_streams => 10, inbound_streams => 10,
                   assoc_id => Id, info => <<>>}, notification(Client)),
    {ok, [ServerId]} = ?S:getopt(Server, sctp, get_assoc_id_list),
    ?assertMatch(#{type := assoc_change, state := comm_up, assoc_id := ServerId}, notification(Server)),
    ok = ?S:sendto(Client, <<"data between them">>, local_address(Server)),
    ?assertMatch({ok, #{iov := [<<"data between them">>], flags := [eor]}}, ?S:recvmsg(Server, ?PATIENCE)),
    ?assertEqual(#{type => sender_dry_event, flags => 0, assoc_id => Id}, notification(Client)),
    close(Client),
    ?assertEqual(#{type => shutdown_event, flags => 0, assoc_id => ServerId}, notification(Server)),
    ?assertMatch(#{type := assoc_change, state := shutdown_comp, assoc_id := ServerId}, notification(Server)),
    ok = ?S:connect(Server, local_address(sctp_listener(inet, seqpacket)), ?PATIENCE),
    ?assertMatch(#{type := assoc_change, state := comm_up}, notification(Server)),
    ?assertEqual({error, econnrefused}, ?S:connect(Server, #{family => inet, addr => loopback, port => 9}, ?PATIENCE)),
    ?assertMatch(#{type := assoc_change, state := cant_str_assoc}, notification(Server)),
    close(?S:which_sockets(sctp)).

-spec an_aborted_association_gives_back_what_was_not_sent(config()) -> term().
an_aborted_association_gives_back_what_was_not_sent(_) ->
    {Server, []} = many(0),
    {ok, Client} = ?S:open(inet, stream, sctp),
    ok = ?S:connect(Client, local_address(Server), ?PATIENCE),
    {ok, [Id]} = ?S:getopt(Server, sctp, get_assoc_id_list),
    ok = ?S:setopt(Client, sctp, events, events([send_failure])),
    ok = ?S:setopt(Client, sctp, event, #{type => send_failed_event, on => true}),
    ok = fill_window(Client),
    ok = ?S:sendmsg(Client, message(sndinfo, #{sid => 1, ppid => 3, context => 77}, <<"never sent">>)),
    %% To close the server would first give up what it has not read, and tell the client of the room.
    ok = ?S:sendmsg(Server, message(sndinfo, #{sid => 0, flags => ?SCTP_ABORT, assoc_id => Id}, <<>>)),
    Failed = until(fun(#{data := Data}) -> Data =:= <<"never sent">>; (_) -> false end, Client),
    ?assertEqual([send_failed, send_failed_event], lists:sort([Type || #{type := Type} <- Failed])),
    [?assertMatch(#{flags := data_unsent, info := #{ppid := 3, context := 77}}, Event) || Event <- Failed],
    ?assertEqual([1, 1], [maps:get(stream, Info, maps:get(sid, Info, none)) || #{info := Info} <- Failed]),
    close({Client, Server}).

%% The two notifications for which Wanted is true.
-spec until(fun((map()) -> boolean()), socket()) -> [map()].
until(Wanted, Socket) ->
    Next = fun Next() ->
        Event = notification(Socket),
        case Wanted(Event) of
            true -> Event;
            false -> Next()
        end
    end,
    [Next(), Next()].

-spec notifications_tell_what_a_peer_says_of_itself(config()) -> term().
notifications_tell_what_a_peer_says_of_itself(_) ->
    {Server, [Client]} = many(1),
    ok = ?S:setopt(Client, sctp, adaption_layer, 16#12345678),
    ok = ?S:setopt(Server, sctp, events, events([adaptation_layer, authentication])),
    ok = ?S:connect(Client, local_address(Server), ?PATIENCE),
    {ok, [Id]} = ?S:getopt(Server, sctp, get_assoc_id_list),
    Events = lists:sort([notification(Server), notification(Server)]),
    ?assertEqual([#{type => adaptation_indication, flags => 0, adaptation_ind => 16#12345678, assoc_id => Id},
                  #{type => authentication_event, flags => 0, keynumber => 0, altkeynumber => 0, indication => no_auth,
                    assoc_id => Id}], lists:sort(Events)),
    close({Client, Server}).

-spec notifications_tell_of_the_paths_to_a_peer(config()) -> term().
notifications_tell_of_the_paths_to_a_peer(_) ->
    {ok, Server} = ?S:open(inet, seqpacket, sctp),
    ok = ?S:bind(Server, [#{family => inet, addr => {127, 0, 2, N}, port => 0} || N <- [1, 2]], add),
    ok = ?S:listen(Server),
    #{port := Port} = local_address(Server),
    {ok, Client} = ?S:open(inet, seqpacket, sctp),
    ok = ?S:setopt(Client, sctp, events, events([address])),
    ok = ?S:connect(Client, #{family => inet, addr => {127, 0, 2, 1}, port => Port}, ?PATIENCE),
    %% The address that the connect went to works already; the other one has to show it.
    [Other] = [Event || #{aaddr := #{addr := {127, 0, 2, 2}}, state := confirmed} = Event <- paths(Client)],
    ?assertMatch(#{type := peer_addr_change, aaddr := #{family := inet, port := Port}}, Other),
    close({Client, Server}).

%% The notifications of paths up to the one that confirms the second address.
-spec paths(socket()) -> [map()].
paths(Socket) ->
    case notification(Socket) of
        #{aaddr := #{addr := {127, 0, 2, 2}}, state := confirmed} = Event -> [Event];
        Event -> [Event | paths(Socket)]
    end.

-spec notifications_tell_of_streams(config()) -> term().
notifications_tell_of_streams(_) ->
    Listener = sctp_listener(inet, stream),
    {ok, Client} = ?S:open(inet, stream, sctp),
    [begin
         ok = ?S:setopt(Socket, sctp, reconfig_supported, true),
         ok = ?S:setopt(Socket, sctp, enable_stream_reset, [stream, assoc, change])
     end || Socket <- [Listener, Client]],
    Server = accepted(Listener, Client),
    Events = (events([]))#{stream_reset => true, assoc_reset => true, stream_change => true},
    [ok = ?S:setopt(Socket, sctp, events, Events) || Socket <- [Server, Client]],
    ok = ?S:setopt(Client, sctp, reset_streams, #{flags => [outgoing], streams => [1, 2]}),
    ?assertMatch([#{type := stream_reset_event, flags := 1, stream_list := [1, 2]},
                  #{type := stream_reset_event, flags := 2, stream_list := [1, 2]}], [notification(S) || S <- [Server, Client]]),
    ok = ?S:setopt(Client, sctp, add_streams, #{outstrms => 5}),
    ?assertMatch([#{type := stream_change_event, instrms := 5, outstrms := 0}, #{type := stream_change_event, instrms := 0, outstrms := 5}],
                 [notification(S) || S <- [Server, Client]]),
    ?assertMatch({ok, #{outstrms := 15}}, ?S:getopt(Client, sctp, status)),
    ok = ?S:setopt(Client, sctp, reset_assoc, 0),
    [#{type := assoc_reset_event, remote_tsn := Tsn}, #{type := assoc_reset_event, local_tsn := Tsn}] =
        [notification(S) || S <- [Server, Client]],
    close({Listener, Client, Server}).

-spec a_notification_longer_than_the_buffer_comes_in_pieces(config()) -> term().
a_notification_longer_than_the_buffer_comes_in_pieces(_) ->
    {Server, [Client]} = many(1),
    ok = ?S:setopt(Server, sctp, events, events([association])),
    ok = ?S:connect(Client, local_address(Server), ?PATIENCE),
    Pieces = [begin
                  {ok, #{iov := [Data], flags := Flags}} = ?S:recvmsg(Server, 12, 0, [], ?PATIENCE),
                  {Flags, Data}
              end || _ <- [1, 2]],
    [{[notification], First}, {[eor, notification], Rest}] = Pieces,
    ?assertMatch(#{type := assoc_change, state := comm_up}, gosocket_sctp:notification(<<First/binary, Rest/binary>>)),
    close({Client, Server}).

-spec only_recvmsg_tells_notifications_from_data(config()) -> term().
only_recvmsg_tells_notifications_from_data(_) ->
    {Server, [Client]} = many(1),
    ok = ?S:setopt(Server, sctp, events, events([association])),
    ok = ?S:connect(Client, local_address(Server), ?PATIENCE),
    {ok, <<_:20/binary>> = Peeked} = ?S:recv(Server, 0, [peek], ?PATIENCE),
    {ok, {_, Peeked}} = ?S:recvfrom(Server, 0, [peek], ?PATIENCE),
    ?assertMatch({ok, #{flags := [eor, notification], iov := [Peeked]}}, ?S:recvmsg(Server, ?PATIENCE)),
    close({Client, Server}).

%% Those that a test cannot have the kernel send, and a type of the future, in the form of <linux/sctp.h>.
-spec every_notification_is_decoded(config()) -> term().
every_notification_is_decoded(_) ->
    Inet6 = <<10:16/native, 99:16, 0:32, 16#fe80:16, 0:96, 1:16, 2:32/native, 0:800>>,
    [?assertEqual(Expected, gosocket_sctp:notification(<<Type:16/native, 1:16/native, (8 + byte_size(Body)):32/native, Body/binary>>))
     || {Type, Body, Expected} <-
            [{16#8002, <<Inet6/binary, 1:32/native, 3:32/native, 4:32/native>>,
              #{type => peer_addr_change, flags => 1, state => unreachable, error => 3, assoc_id => 4,
                aaddr => #{family => inet6, port => 99, flowinfo => 0, scope_id => 2, addr => {16#fe80, 0, 0, 0, 0, 0, 0, 1}}}},
             {16#8002, <<0:1024, 9:32/native, 0:32, 4:32/native>>,
              #{type => peer_addr_change, flags => 1, state => 9, error => 0, assoc_id => 4, aaddr => undefined}},
             {16#8004, <<5:16, 0:16, 4:32/native, "what">>,
              #{type => remote_error, flags => 1, error => 5, assoc_id => 4, data => <<"what">>}},
             {16#8006, <<0:32, 4:32/native, 2:32/native, 3:32/native>>,
              #{type => partial_delivery_event, flags => 1, indication => aborted, assoc_id => 4, stream => 2, seq => 3}},
             {16#8001, <<7:16/native, 0:16, 1:16/native, 2:16/native, -1:32/native>>,
              #{type => assoc_change, flags => 1, state => 7, error => 0, outbound_streams => 1, inbound_streams => 2, assoc_id => -1,
                info => <<>>}},
             {16#80ff, <<"later">>, #{type => 16#80ff, flags => 1, data => <<"later">>}}]].

-spec what_is_no_notification_is_badarg(config()) -> term().
what_is_no_notification_is_badarg(_) ->
    [?assertError(badarg, gosocket_sctp:notification(Data))
     || Data <- [<<>>, <<1, 128>>, <<1, 128, 0, 0, 20, 0, 0, 0>>, <<16#8005:16/native, 0:16, 8:32/native, 1>>, data]].
