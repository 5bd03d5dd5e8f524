%% Every flag of send, every flag of recv, every flag that recvmsg tells: by what it does.
-module(gosocket_flags_SUITE).

-export([
    sending_oob_makes_the_last_byte_urgent/1,
    sending_oob_where_nothing_is_urgent_is_enotsup/1,
    oob_of_a_send_in_chunks_is_its_very_last_byte/1,
    receiving_oob_without_urgent_data_is_einval/1,
    recvmsg_tells_oob/1,
    oobinline_leaves_the_urgent_byte_in_its_place/1,
    dontroute_reaches_the_link_only/1,
    eor_keeps_two_sends_in_two_segments/1,
    confirm_confirms_the_neighbour/1,
    nosignal_or_not_a_broken_pipe_is_epipe/1,
    more_holds_back_on_tcp_until_a_send_without_it/1,
    more_gathers_a_datagram/1,
    more_has_no_effect_on_local_sockets/1,
    peek_shows_the_same_again/1,
    peek_waits_for_data/1,
    peek_goes_on_with_peek_off/1,
    trunc_on_a_datagram_cuts_at_the_length_asked_for/1,
    trunc_on_tcp_discards/1,
    trunc_and_ctrunc_are_told_in_this_order/1,
    cmsg_cloexec_marks_received_descriptors_and_is_not_told/1,
    every_kind_of_socket_takes_the_flags_that_ask_for_nothing/1,
    several_flags_may_be_given/1,
    flags_of_the_other_direction_and_unknown_ones_raise/1,
    bad_flags_raise_on_a_closed_socket_too/1,
    an_improper_list_of_flags_is_a_function_clause/1
]).

-define(OURS, [
    oob_of_a_send_in_chunks_is_its_very_last_byte,
    eor_keeps_two_sends_in_two_segments,
    trunc_on_a_datagram_cuts_at_the_length_asked_for,
    trunc_on_tcp_discards,
    peek_goes_on_with_peek_off,
    cmsg_cloexec_marks_received_descriptors_and_is_not_told,
    more_holds_back_on_tcp_until_a_send_without_it,
    nosignal_or_not_a_broken_pipe_is_epipe
]).
-import(gosocket_test_msg, [set/2]).
-import(gosocket_test_netns, [with_hosts/1, ip/2, exec/2, address/2]).
-define(ONE_LANE, [cmsg_cloexec_marks_received_descriptors_and_is_not_told]).
-include("gosocket_test.hrl").

-spec streams() -> [gosocket_test_net:kind()].
streams() -> [{inet, stream}, {local, stream}].

-spec messages() -> [gosocket_test_net:kind()].
messages() -> [Kind || {_, Type} = Kind <- kinds(), Type =/= stream].

-spec nothing_there(socket()) -> ok.
nothing_there(Socket) ->
    ?assertEqual({error, timeout}, ?S:recv(Socket, 0, 0)),
    ok.

%% ---- oob ----

-spec sending_oob_makes_the_last_byte_urgent(config()) -> term().
sending_oob_makes_the_last_byte_urgent(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        ok = ?S:send(A, <<"abc">>, [oob]),
        ?assertEqual({Kind, {ok, <<"ab">>}}, {Kind, ?S:recv(B, 2, ?PATIENCE)}),
        ?assertEqual({Kind, {ok, <<"c">>}}, {Kind, ?S:recv(B, 1, [oob], ?PATIENCE)}),
        ok = ?S:send(A, <<"d">>),
        ?assertEqual({Kind, {ok, <<"d">>}}, {Kind, ?S:recv(B, 1, ?PATIENCE)}),
        close({A, B})
    end, streams()).

%% The kernel's IPv6 takes the flag on UDP and sends.
-spec sending_oob_where_nothing_is_urgent_is_enotsup(config()) -> term().
sending_oob_where_nothing_is_urgent_is_enotsup(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        ?assertEqual({Kind, {error, {enotsup, 3}}}, {Kind, ?S:send(A, <<"abc">>, [oob])}),
        nothing_there(B),
        close({A, B})
    end, [Kind || {Domain, _} = Kind <- messages(), Domain =/= inet6]).

-spec oob_of_a_send_in_chunks_is_its_very_last_byte(config()) -> term().
oob_of_a_send_in_chunks_is_its_very_last_byte(_) ->
    {A, B} = pair({inet, stream}),
    Size = 3000000,
    Writer = start(fun() -> ?S:send(A, [binary:copy(<<"x">>, Size - 1), "!"], [oob]) end),
    ?assertEqual({ok, binary:copy(<<"x">>, Size - 1)}, ?S:recv(B, Size - 1, ?PATIENCE)),
    ?assertEqual(ok, result(Writer)),
    ?assertEqual({ok, <<"!">>}, ?S:recv(B, 1, [oob])),
    close({A, B}).

-spec receiving_oob_without_urgent_data_is_einval(config()) -> term().
receiving_oob_without_urgent_data_is_einval(_) ->
    [begin
         {A, B} = pair(Kind),
         ok = ?S:send(A, <<"data">>),
         ?assertEqual({Kind, Outcome}, {Kind, ?S:recv(B, 1, [oob], ?PATIENCE)}),
         close({A, B})
     end || {Kind, Outcome} <- [{{inet, stream}, {error, einval}}, {{local, stream}, {error, einval}},
                                {{local, dgram}, {error, enotsup}}, {{local, seqpacket}, {error, enotsup}}]].

-spec recvmsg_tells_oob(config()) -> term().
recvmsg_tells_oob(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        ok = ?S:send(A, <<"abc">>, [oob]),
        ?assertMatch({Kind, {ok, #{iov := [<<"c">>], flags := [oob]}}}, {Kind, ?S:recvmsg(B, 1, 0, [oob], ?PATIENCE)}),
        ?assertMatch({Kind, {ok, #{iov := [<<"ab">>], flags := []}}}, {Kind, ?S:recvmsg(B, ?PATIENCE)}),
        close({A, B})
    end, streams()).

-spec oobinline_leaves_the_urgent_byte_in_its_place(config()) -> term().
oobinline_leaves_the_urgent_byte_in_its_place(_) ->
    {A, B} = pair({inet, stream}),
    set(B, [{socket, oobinline, true}]),
    ok = ?S:send(A, <<"abc">>, [oob]),
    ?assertEqual({ok, <<"abc">>}, ?S:recv(B, 3, ?PATIENCE)),
    ?assertEqual({error, einval}, ?S:recv(B, 1, [oob], ?PATIENCE)),
    close({A, B}).

%% ---- dontroute, eor, confirm, nosignal ----

-spec dontroute_reaches_the_link_only(config()) -> term().
dontroute_reaches_the_link_only(_) ->
    with_hosts(fun(A, B) ->
        ok = ip(A, "route add 10.78.0.0/16 via 10.77.0.2"),
        Socket = gosocket_test_netns:open(A, inet, dgram, udp),
        Behind = #{family => inet, addr => {10, 78, 0, 1}, port => 9},
        ?assertEqual(ok, ?S:sendto(Socket, <<"data">>, Behind)),
        ?assertEqual({error, {enetunreach, 4}}, ?S:sendto(Socket, <<"data">>, Behind, [dontroute])),
        ?assertEqual({error, enetunreach}, ?S:sendmsg(Socket, #{addr => Behind, iov => [<<"data">>]}, [dontroute])),
        ?assertEqual(ok, ?S:sendto(Socket, <<"data">>, (address(B, inet))#{port => 9}, [dontroute])),
        close(Socket)
    end).

%% The cork gathers what is sent until it is pulled; tcp(7), and data_segs_out of struct tcp_info.
-spec eor_keeps_two_sends_in_two_segments(config()) -> term().
eor_keeps_two_sends_in_two_segments(_) ->
    [begin
         {A, B} = pair({inet, stream}),
         set(A, [{tcp, cork, true}]),
         ok = ?S:send(A, <<"abc">>, Flags),
         ok = ?S:send(A, <<"def">>),
         set(A, [{tcp, cork, false}]),
         ?assertEqual({ok, <<"abcdef">>}, ?S:recv(B, 6, ?PATIENCE)),
         {ok, #{data_segs_out := Sent}} = ?S:getopt(A, tcp, info),
         ?assertEqual({Flags, Segments}, {Flags, Sent}),
         close({A, B})
     end || {Flags, Segments} <- [{[], 1}, {[eor], 2}]].

%% ip-neighbour(8) with -s: "used U/C/N", seconds since it was used, confirmed and updated. A new entry counts as confirmed
%% long ago.
-spec confirm_confirms_the_neighbour(config()) -> term().
confirm_confirms_the_neighbour(_) ->
    with_hosts(fun(A, B) ->
        Socket = gosocket_test_netns:open(A, inet, dgram, udp),
        To = (address(B, inet))#{port => 9},
        ok = ip(A, "neighbour replace 10.77.0.2 lladdr 02:00:00:00:00:02 dev veth0 nud stale"),
        ?assert(confirmed(A) > 20),
        ok = ?S:sendto(Socket, <<"data">>, To),
        ?assert(confirmed(A) > 20),
        ok = ?S:sendto(Socket, <<"data">>, To, [confirm]),
        ?assert(confirmed(A) < 20),
        close(Socket)
    end).

-spec confirmed(gosocket_test_netns:host()) -> non_neg_integer().
confirmed(Host) ->
    {match, [Seconds]} = re:run(exec(Host, "ip -s neighbour show 10.77.0.2"), "used [0-9]+/([0-9]+)/", [{capture, [1], list}]),
    list_to_integer(Seconds).

-spec nosignal_or_not_a_broken_pipe_is_epipe(config()) -> term().
nosignal_or_not_a_broken_pipe_is_epipe(_) ->
    Helper = helper_os_pid(),
    [begin
         {A, B} = pair(Kind),
         ok = ?S:shutdown(A, write),
         ?assertEqual({Kind, Flags, {error, {epipe, 4}}}, {Kind, Flags, ?S:send(A, <<"data">>, Flags)}),
         close({A, B})
     end || Kind <- streams(), Flags <- [[], [nosignal]]],
    ?assertEqual(Helper, helper_os_pid()).

%% ---- more ----

%% The kernel holds nothing back for longer than 200 ms (tcp(7), TCP_CORK): who comes to look later than that has to send
%% again.
-spec more_holds_back_on_tcp_until_a_send_without_it(config()) -> term().
more_holds_back_on_tcp_until_a_send_without_it(_) ->
    {A, B} = pair({inet, stream}),
    {Elapsed, Unsent} = elapsed(fun() ->
        ok = ?S:send(A, <<"abc">>, [more]),
        {ok, #{notsent_bytes := Bytes}} = ?S:getopt(A, tcp, info),
        Bytes
    end),
    ok = ?S:send(A, <<"def">>),
    ?assertEqual({ok, <<"abcdef">>}, ?S:recv(B, 6, ?PATIENCE)),
    close({A, B}),
    case Elapsed < 150 of
        true -> ?assertEqual(3, Unsent);
        false -> more_holds_back_on_tcp_until_a_send_without_it([])
    end.

-spec more_gathers_a_datagram(config()) -> term().
more_gathers_a_datagram(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        [ok = ?S:send(A, Part, [more]) || Part <- [<<"one ">>, <<"two ">>]],
        nothing_there(B),
        ok = ?S:send(A, <<"three">>),
        ?assertEqual({ok, <<"one two three">>}, ?S:recv(B, 0, ?PATIENCE)),
        nothing_there(B),
        close({A, B})
    end, [Kind || {Domain, _} = Kind <- messages(), Domain =/= local]).

-spec more_has_no_effect_on_local_sockets(config()) -> term().
more_has_no_effect_on_local_sockets(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        ok = ?S:send(A, <<"data">>, [more]),
        ?assertEqual({Kind, {ok, <<"data">>}}, {Kind, ?S:recv(B, 0, 0)}),
        close({A, B})
    end, [Kind || {local, _} = Kind <- kinds()]).

%% ---- peek, trunc ----

-spec peek_shows_the_same_again(config()) -> term().
peek_shows_the_same_again(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        ok = ?S:send(A, <<"data">>),
        ?assertEqual({ok, <<"data">>}, ?S:recv(B, 0, [peek], ?PATIENCE)),
        ?assertEqual({ok, <<"da">>}, ?S:recv(B, 2, [peek], ?PATIENCE)),
        ?assertMatch({ok, {_, <<"data">>}}, ?S:recvfrom(B, 0, [peek], ?PATIENCE)),
        ?assertMatch({ok, #{iov := [<<"data">>]}}, ?S:recvmsg(B, [peek], ?PATIENCE)),
        ?assertEqual({ok, <<"data">>}, ?S:recv(B, 0, ?PATIENCE)),
        nothing_there(B),
        close({A, B})
    end, kinds()).

-spec peek_waits_for_data(config()) -> term().
peek_waits_for_data(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        ?assertEqual({error, timeout}, ?S:recv(B, 0, [peek], 10)),
        Reader = start(fun() -> ?S:recv(B, 0, [peek]) end),
        await_parked(B, num_readers, 1),
        ok = ?S:send(A, <<"data">>),
        ?assertEqual({ok, <<"data">>}, result(Reader)),
        {ok, <<"data">>} = ?S:recv(B, 0, ?PATIENCE),
        {select, SelectInfo} = ?S:recv(B, 0, [peek], nowait),
        ok = ?S:send(A, <<"more">>),
        await_select(B, SelectInfo),
        ?assertEqual({ok, <<"more">>}, ?S:recv(B, 0, [peek], nowait)),
        close({A, B})
    end, kinds()).

%% socket(7), SO_PEEK_OFF
-spec peek_goes_on_with_peek_off(config()) -> term().
peek_goes_on_with_peek_off(_) ->
    {A, B} = pair({local, stream}),
    set(B, [{socket, peek_off, 0}]),
    ok = ?S:send(A, <<"abcdef">>),
    ?assertEqual([{ok, <<"ab">>}, {ok, <<"cd">>}, {ok, <<"ef">>}], [?S:recv(B, 2, [peek], ?PATIENCE) || _ <- [1, 2, 3]]),
    ?assertEqual({ok, <<"abcdef">>}, ?S:recv(B, 6, ?PATIENCE)),
    close({A, B}).

-spec trunc_on_a_datagram_cuts_at_the_length_asked_for(config()) -> term().
trunc_on_a_datagram_cuts_at_the_length_asked_for(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        [ok = ?S:send(A, <<"0123456789">>) || _ <- [1, 2, 3, 4]],
        ?assertEqual({Kind, {ok, <<"0123">>}}, {Kind, ?S:recv(B, 4, [trunc], ?PATIENCE)}),
        ?assertMatch({Kind, {ok, {_, <<"0123">>}}}, {Kind, ?S:recvfrom(B, 4, [trunc], ?PATIENCE)}),
        [?assertMatch({Kind, {ok, #{iov := [<<"0123">>], flags := [trunc]}}}, {Kind, ?S:recvmsg(B, 4, 0, Flags, ?PATIENCE)})
         || Flags <- [[], [trunc]]],
        nothing_there(B),
        close({A, B})
    end, messages()).

%% tcp(7): MSG_TRUNC throws the bytes away; what comes back has their number and is zero.
-spec trunc_on_tcp_discards(config()) -> term().
trunc_on_tcp_discards(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"abcdef">>),
    ?assertEqual({ok, <<0, 0>>}, ?S:recv(B, 2, [trunc], ?PATIENCE)),
    ?assertEqual({ok, <<"cdef">>}, ?S:recv(B, 4, ?PATIENCE)),
    close({A, B}).

-spec trunc_and_ctrunc_are_told_in_this_order(config()) -> term().
trunc_and_ctrunc_are_told_in_this_order(_) ->
    {A, B} = pair({inet, dgram}),
    set(B, [{ip, pktinfo, true}]),
    ok = ?S:send(A, <<"data">>),
    ?assertMatch({ok, #{iov := [<<"da">>], ctrl := [], flags := [trunc, ctrunc]}}, ?S:recvmsg(B, 2, 8, [], ?PATIENCE)),
    close({A, B}).

%% proc(5): "flags" of fdinfo in octal, O_CLOEXEC is 02000000.
-spec cmsg_cloexec_marks_received_descriptors_and_is_not_told(config()) -> term().
cmsg_cloexec_marks_received_descriptors_and_is_not_told(_) ->
    {A, B} = pair({local, stream}),
    {ok, FD} = ?S:getopt(A, otp, fd),
    ok = ?S:sendmsg(A, #{iov => [<<"x">>], ctrl => [#{level => socket, type => rights, data => <<FD:32/native>>}]}),
    {ok, #{flags := Flags, ctrl := [#{level := socket, type := rights, data := <<Received:32/native>>}]}} =
        ?S:recvmsg(B, [cmsg_cloexec], ?PATIENCE),
    ?assertEqual([], Flags),
    {ok, Info} = file:read_file(io_lib:format("/proc/~b/fdinfo/~b", [helper_os_pid(), Received])),
    {match, [Octal]} = re:run(Info, "flags:\\t([0-7]+)", [{capture, [1], list}]),
    ?assertEqual(8#2000000, list_to_integer(Octal, 8) band 8#2000000),
    close({A, B}).

%% ---- lists of flags ----

-spec every_kind_of_socket_takes_the_flags_that_ask_for_nothing(config()) -> term().
every_kind_of_socket_takes_the_flags_that_ask_for_nothing(_) ->
    lists:foreach(fun(Kind) ->
        {A, B} = pair(Kind),
        [begin
             ok = ?S:send(A, <<"x">>, [Flag]),
             ?assertEqual({Kind, Flag, {ok, <<"x">>}}, {Kind, Flag, ?S:recv(B, 0, ?PATIENCE)})
         end || Flag <- [confirm, dontroute, eor, nosignal]],
        close({A, B})
    end, kinds()).

-spec several_flags_may_be_given(config()) -> term().
several_flags_may_be_given(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"abc">>, [nosignal, oob, oob, confirm]),
    ?assertEqual({ok, <<"c">>}, ?S:recv(B, 1, [peek, oob, cmsg_cloexec], ?PATIENCE)),
    ?assertEqual({ok, <<"ab">>}, ?S:recv(B, 2, [cmsg_cloexec], ?PATIENCE)),
    close({A, B}).

-spec calls(socket(), term(), send | recv) -> [fun(() -> term())].
calls(Socket, Flags, send) ->
    To = #{family => inet, addr => loopback, port => 9},
    [fun() -> ?S:send(Socket, <<"x">>, Flags) end, fun() -> ?S:sendto(Socket, <<"x">>, To, Flags) end,
     fun() -> ?S:sendmsg(Socket, #{iov => [<<"x">>]}, Flags) end];
calls(Socket, Flags, recv) ->
    [fun() -> ?S:recv(Socket, 0, Flags, 0) end, fun() -> ?S:recvfrom(Socket, 0, Flags, 0) end,
     fun() -> ?S:recvmsg(Socket, Flags, 0) end].

-spec flags_of_the_other_direction_and_unknown_ones_raise(config()) -> term().
flags_of_the_other_direction_and_unknown_ones_raise(_) ->
    {A, B} = pair({inet, dgram}),
    Bad = [{send, Flag} || Flag <- [peek, trunc, errqueue, cmsg_cloexec, dontwait, zerocopy, fastopen, foo, 1, "x"]]
        ++ [{recv, Flag} || Flag <- [dontroute, eor, confirm, nosignal, more, ctrunc, dontwait, waitall, foo, 1, "x"]],
    [?assertEqual({Flag, {error, {invalid, {flag, Flag}}}}, {Flag, outcome(Call)})
     || {Direction, Flag} <- Bad, Call <- calls(A, [Flag], Direction)],
    nothing_there(B),
    close({A, B}).

-spec bad_flags_raise_on_a_closed_socket_too(config()) -> term().
bad_flags_raise_on_a_closed_socket_too(_) ->
    Socket = unconnected({inet, dgram}),
    close(Socket),
    [?assertEqual({error, {invalid, {flag, foo}}}, outcome(Call))
     || Direction <- [send, recv], Call <- calls(Socket, [foo], Direction)].

-spec an_improper_list_of_flags_is_a_function_clause(config()) -> term().
an_improper_list_of_flags_is_a_function_clause(_) ->
    Socket = unconnected({inet, dgram}),
    [?assertEqual({error, function_clause}, outcome(Call)) || {Flag, Direction} <- [{more, send}, {peek, recv}],
                                                              Call <- calls(Socket, [Flag | foo], Direction)],
    close(Socket).
