%% SCTP: sockets and calls. Skipped on kernels that have none; `make test-sctp' runs it on one that has.
-module(gosocket_sctp_SUITE).

-export([
    every_kind_opens_and_tells_what_it_is/1,
    every_option_is_set_and_read/1,
    sockets_of_one_association_tell_both_addresses/1,
    one_to_one_sockets_exchange_messages/1,
    a_large_message_is_one_message/1,
    recv_with_a_length_gathers_on_a_stream_socket/1,
    recv_with_a_length_gives_one_message_on_a_seqpacket_socket/1,
    a_short_buffer_leaves_the_rest_of_a_message/1,
    receives_wait_for_their_timeout/1,
    every_receive_is_selected_when_a_message_comes/1,
    accept_waits_and_is_selected/1,
    connect_is_refused_where_nobody_listens/1,
    connect_times_out_where_nobody_answers/1,
    connect_is_selected_when_it_is_decided/1,
    connect_of_many_allows_other_calls_meanwhile/1,
    end_of_file_is_closed_on_a_stream_socket/1,
    shutdown_write_lets_the_peer_read_to_the_end/1,
    an_aborted_association_is_a_reset/1,
    every_receive_after_a_reset_was_told_answers_at_once/1,
    a_sender_waits_for_a_slow_receiver/1,
    one_socket_talks_to_many_peers/1,
    one_to_many_sockets_have_no_peer/1,
    receivers_queue_and_are_answered_when_the_socket_closes/1,
    the_death_of_its_owner_ends_an_association/1,
    counters_count_messages/1,
    the_registry_knows_sctp/1,
    open_of_a_descriptor_knows_sctp/1
]).

-import(gosocket_test_sctp, [domains/0, sctp_listener/2, sctp_pair/1, many/1, silence/0]).

-define(OURS, []).
-define(LACKING, gosocket_test_sctp:lacking()).
-include("gosocket_test.hrl").

%% ---- What they are

-spec every_kind_opens_and_tells_what_it_is(config()) -> term().
every_kind_opens_and_tells_what_it_is(_) ->
    [begin
         {ok, Socket} = ?S:open(Domain, Type, sctp),
         ?assertMatch(#{domain := Domain, type := Type, protocol := sctp}, ?S:info(Socket)),
         ?assertEqual([{ok, Domain}, {ok, Type}, {ok, sctp}],
                      [?S:getopt(Socket, socket, Key) || Key <- [domain, type, protocol]]),
         close(Socket)
     end || Domain <- [inet, inet6], Type <- [stream, seqpacket]].

-spec every_option_is_set_and_read(config()) -> ok.
every_option_is_set_and_read(_) -> gosocket_test_option:check(sctp).

-spec sockets_of_one_association_tell_both_addresses(config()) -> term().
sockets_of_one_association_tell_both_addresses(_) ->
    [begin
         {Client, Server} = sctp_pair(Domain),
         ?assertEqual([?S:sockname(Client), ?S:peername(Client)], [?S:peername(Server), ?S:sockname(Server)]),
         ?assertMatch(#{family := Domain}, local_address(Client)),
         close({Client, Server})
     end || Domain <- domains()].

%% ---- Messages

-spec one_to_one_sockets_exchange_messages(config()) -> term().
one_to_one_sockets_exchange_messages(_) ->
    [begin
         {Client, Server} = sctp_pair(Domain),
         ok = ?S:send(Client, <<"first">>),
         ok = ?S:sendmsg(Client, #{iov => [<<"sec">>, <<"ond">>]}),
         ok = ?S:sendto(Client, <<"third">>, local_address(Server)),
         ?assertEqual({ok, <<"first">>}, ?S:recv(Server, 0, ?PATIENCE)),
         ?assertMatch({ok, #{iov := [<<"second">>], ctrl := [], flags := [eor]}}, ?S:recvmsg(Server, ?PATIENCE)),
         ?assertMatch({ok, {_, <<"third">>}}, ?S:recvfrom(Server, 0, ?PATIENCE)),
         ?assertEqual({error, {einval, 0}}, ?S:send(Client, <<>>)),
         close({Client, Server})
     end || Domain <- domains()].

%% Of more than the helper takes in one piece, and more than a packet holds: the receiver sees where it ends.
-spec a_large_message_is_one_message(config()) -> term().
a_large_message_is_one_message(_) ->
    {Client, Server} = sctp_pair(inet),
    ok = ?S:setopt(Client, socket, sndbuf, 400000), % the kernel takes no longer message
    Large = random(300000),
    Sender = start(fun() -> [?S:send(Client, Data, ?PATIENCE) || Data <- [Large, <<"next">>]] end),
    ?assertEqual([Large, <<"next">>], [whole(Server), whole(Server)]),
    ?assertEqual([ok, ok], result(Sender)),
    Limit = 9 bsl 20,
    ?assertEqual({error, {emsgsize, Limit}}, ?S:send(Client, binary:copy(<<0>>, Limit))),
    close({Client, Server}).

%% Receives to the end of a record.
-spec whole(socket()) -> binary().
whole(Socket) ->
    {ok, #{iov := [Part], flags := Flags}} = ?S:recvmsg(Socket, 65536, 0, [], ?PATIENCE),
    case lists:member(eor, Flags) of
        true -> Part;
        false -> <<Part/binary, (whole(Socket))/binary>>
    end.

-spec recv_with_a_length_gathers_on_a_stream_socket(config()) -> term().
recv_with_a_length_gathers_on_a_stream_socket(_) ->
    {Client, Server} = sctp_pair(inet),
    [ok = ?S:send(Client, Data) || Data <- [<<"abcd">>, <<"efgh">>, <<"i">>]],
    ?assertEqual({ok, <<"abcdef">>}, ?S:recv(Server, 6, ?PATIENCE)),
    ?assertEqual({error, {timeout, <<"ghi">>}}, ?S:recv(Server, 6, 200)),
    close({Client, Server}).

-spec recv_with_a_length_gives_one_message_on_a_seqpacket_socket(config()) -> term().
recv_with_a_length_gives_one_message_on_a_seqpacket_socket(_) ->
    {Server, [Client]} = many(1),
    [ok = ?S:sendto(Client, Data, local_address(Server)) || Data <- [<<"abcd">>, <<"efgh">>]],
    ?assertEqual([{ok, <<"abcd">>}, {ok, <<"ef">>}, {ok, <<"gh">>}],
                 [?S:recv(Server, Length, ?PATIENCE) || Length <- [6, 2, 6]]),
    close({Server, Client}).

%% Unlike those of other kinds of message sockets, the rest is not lost.
-spec a_short_buffer_leaves_the_rest_of_a_message(config()) -> term().
a_short_buffer_leaves_the_rest_of_a_message(_) ->
    {Client, Server} = sctp_pair(inet),
    {Many, [Peer]} = many(1),
    ok = ?S:send(Client, <<"abcdefgh">>),
    ok = ?S:sendto(Peer, <<"abcdefgh">>, local_address(Many)),
    [?assertEqual([{<<"abc">>, []}, {<<"def">>, []}, {<<"gh">>, [eor]}],
                  [begin
                       {ok, #{iov := [Data], flags := Flags}} = ?S:recvmsg(Socket, 3, 0, [], ?PATIENCE),
                       {Data, Flags}
                   end || _ <- [1, 2, 3]])
     || Socket <- [Server, Many]],
    close({Client, Server, Many, Peer}).

%% ---- Waiting

-spec receives_wait_for_their_timeout(config()) -> term().
receives_wait_for_their_timeout(_) ->
    {Client, Server} = sctp_pair(inet),
    {Many, []} = many(0),
    [begin
         {Time, Result} = elapsed(fun() -> Call(Socket, Timeout) end),
         ?assertEqual({error, timeout}, Result),
         ?assert(Time >= Timeout)
     end || Socket <- [Server, Many], Timeout <- [0, 60],
            Call <- [fun(S, T) -> ?S:recv(S, 0, T) end, fun(S, T) -> ?S:recvfrom(S, 0, T) end, fun ?S:recvmsg/2]],
    close({Client, Server, Many}).

-spec every_receive_is_selected_when_a_message_comes(config()) -> term().
every_receive_is_selected_when_a_message_comes(_) ->
    {Client, Server} = sctp_pair(inet),
    {Many, [Peer]} = many(1),
    [begin
         {select, Info} = Call(Socket),
         ok = Send(<<"here">>),
         ok = await_select(Socket, Info),
         ?assertMatch({ok, _}, Call(Socket)),
         {select, Again} = Call(Socket),
         ok = ?S:cancel(Socket, Again),
         no_messages(Socket)
     end || {Socket, Send} <- [{Server, fun(Data) -> ?S:send(Client, Data) end},
                               {Many, fun(Data) -> ?S:sendto(Peer, Data, local_address(Many)) end}],
            Call <- [fun(S) -> ?S:recv(S, 0, nowait) end, fun(S) -> ?S:recvfrom(S, 0, nowait) end,
                     fun(S) -> ?S:recvmsg(S, nowait) end]],
    close({Client, Server, Many, Peer}).

-spec accept_waits_and_is_selected(config()) -> term().
accept_waits_and_is_selected(_) ->
    Listener = sctp_listener(inet, stream),
    ?assertEqual({error, timeout}, ?S:accept(Listener, 50)),
    Connect = fun() ->
        {ok, Client} = ?S:open(inet, stream, sctp),
        ok = ?S:connect(Client, local_address(Listener)),
        Client
    end,
    {select, Info} = ?S:accept(Listener, nowait),
    First = Connect(),
    ok = await_select(Listener, Info),
    {ok, Accepted} = ?S:accept(Listener, nowait),
    ?assertMatch(#{type := stream, protocol := sctp}, ?S:info(Accepted)),
    Acceptor = start(fun() -> {ok, Socket} = ?S:accept(Listener), ?S:recv(Socket) end),
    await_parked(Listener, num_acceptors, 1),
    Second = Connect(),
    ok = ?S:send(Second, <<"hello">>),
    ?assertEqual({ok, <<"hello">>}, result(Acceptor)),
    close({Listener, First, Accepted, Second}).

-spec connect_is_refused_where_nobody_listens(config()) -> term().
connect_is_refused_where_nobody_listens(_) ->
    {ok, Free} = ?S:open(inet, stream, sctp),
    {ok, _} = ?S:bind(Free, loopback(inet)),
    [begin
         {ok, Socket} = ?S:open(inet, Type, sctp),
         ?assertEqual({error, econnrefused}, ?S:connect(Socket, local_address(Free), ?PATIENCE)),
         close(Socket)
     end || Type <- [stream, seqpacket]],
    close(Free).

-spec connect_times_out_where_nobody_answers(config()) -> term().
connect_times_out_where_nobody_answers(_) ->
    Nobody = silence(),
    [begin
         {ok, Socket} = ?S:open(inet, Type, sctp),
         ?assertEqual({error, timeout}, ?S:connect(Socket, Nobody, 100)),
         close(Socket),
         {ok, Impatient} = ?S:open(inet, Type, sctp),
         ok = ?S:setopt(Impatient, sctp, initmsg, #{num_outstreams => 1, max_instreams => 1, max_attempts => 2, max_init_timeo => 100}),
         ok = ?S:setopt(Impatient, sctp, rtoinfo, #{assoc_id => 0, initial => 50, min => 20, max => 100}),
         {Time, Result} = elapsed(fun() -> ?S:connect(Impatient, Nobody, ?PATIENCE) end),
         ?assertEqual({error, etimedout}, Result),
         ?assert(Time >= 250),
         close(Impatient)
     end || Type <- [stream, seqpacket]].

-spec connect_is_selected_when_it_is_decided(config()) -> term().
connect_is_selected_when_it_is_decided(_) ->
    [begin
         Listener = sctp_listener(inet, Type),
         Address = local_address(Listener),
         [begin
              {ok, Client} = ?S:open(inet, Type, sctp),
              case ?S:connect(Client, To, nowait) of
                  {select, Info} ->
                      ok = await_select(Client, Info),
                      ?assertEqual(Result, ?S:connect(Client));
                  Immediate ->
                      ?assertEqual(Result, Immediate)
              end,
              close(Client)
          end || {To, Result} <- [{Address, ok}, {Address#{port := 9}, {error, econnrefused}}]],
         close(Listener)
     end || Type <- [stream, seqpacket]].

-spec connect_of_many_allows_other_calls_meanwhile(config()) -> term().
connect_of_many_allows_other_calls_meanwhile(_) ->
    {Server, [Client]} = many(1),
    {select, Info} = ?S:connect(Client, silence(), nowait),
    ?assertEqual({error, ealready}, ?S:connect(Client)),
    ?assertEqual({error, ealready}, run(actor(), fun() -> ?S:connect(Client, local_address(Server)) end)),
    ok = ?S:sendto(Client, <<"meanwhile">>, local_address(Server)),
    {ok, {Source, <<"meanwhile">>}} = ?S:recvfrom(Server, 0, ?PATIENCE),
    ok = ?S:sendto(Server, <<"indeed">>, Source),
    ?assertMatch({ok, <<"indeed">>}, ?S:recv(Client, 0, ?PATIENCE)),
    ok = ?S:cancel(Client, Info),
    no_messages(Client),
    close({Server, Client}).

%% ---- Ends

-spec end_of_file_is_closed_on_a_stream_socket(config()) -> term().
end_of_file_is_closed_on_a_stream_socket(_) ->
    {Client, Server} = sctp_pair(inet),
    ok = ?S:send(Client, <<"last">>),
    close(Client),
    ?assertEqual([{ok, <<"last">>}, {error, closed}, {error, closed}], [?S:recv(Server, 0, ?PATIENCE) || _ <- [1, 2, 3]]),
    ?assertEqual({error, closed}, ?S:recvmsg(Server, ?PATIENCE)),
    ?assertEqual({error, {epipe, 1}}, ?S:send(Server, <<"x">>)),
    close(Server).

-spec shutdown_write_lets_the_peer_read_to_the_end(config()) -> term().
shutdown_write_lets_the_peer_read_to_the_end(_) ->
    {Client, Server} = sctp_pair(inet),
    Reader = start(fun() -> drain(Server) end),
    [ok = ?S:send(Client, random(1000)) || _ <- lists:seq(1, 50)],
    ok = ?S:shutdown(Client, write),
    ?assertEqual(50000, byte_size(result(Reader))),
    ?assertEqual({error, {epipe, 1}}, ?S:send(Client, <<"x">>)),
    ?assertEqual({error, closed}, ?S:recv(Client, 0, ?PATIENCE)),
    close({Client, Server}).

-spec an_aborted_association_is_a_reset(config()) -> term().
an_aborted_association_is_a_reset(_) ->
    {Client, Server} = sctp_pair(inet),
    Reader = start(fun() -> ?S:recv(Server, 0, ?PATIENCE) end),
    await_parked(Server, num_readers, 1),
    ok = ?S:setopt(Client, socket, linger, {true, 0}),
    close(Client),
    ?assertEqual({error, econnreset}, result(Reader)),
    close(Server).

%% The kernel says EAGAIN there to those who do not wait in it.
-spec every_receive_after_a_reset_was_told_answers_at_once(config()) -> term().
every_receive_after_a_reset_was_told_answers_at_once(_) ->
    Receives = [fun(S, T) -> ?S:recv(S, 0, T) end, fun(S, T) -> ?S:recv(S, 10, T) end,
                fun(S, T) -> ?S:recv(S, 0, [peek], T) end, fun(S, T) -> ?S:recvfrom(S, 0, T) end, fun ?S:recvmsg/2],
    [begin
         {Client, Server} = sctp_pair(Domain),
         Told = start(fun() -> First(Server, ?PATIENCE) end),
         await_parked(Server, num_readers, 1),
         ok = ?S:setopt(Client, socket, linger, {true, 0}),
         close(Client),
         ?assertEqual({error, econnreset}, result(Told)),
         [?assertEqual({Domain, Timeout, {error, enotconn}}, {Domain, Timeout, result(start(fun() -> Again(Server, Timeout) end), 2000)})
          || Again <- Receives, Timeout <- [0, 60000, nowait, infinity]],
         close(Server)
     end || Domain <- domains(), First <- Receives],
    %% The same for one who was told of it by a message.
    {Client, Server} = sctp_pair(inet),
    {select, Info} = ?S:recv(Server, 0, nowait),
    ok = ?S:setopt(Client, socket, linger, {true, 0}),
    close(Client),
    await_select(Server, Info),
    ?assertEqual({error, econnreset}, ?S:recv(Server, 0, nowait)),
    ?assertEqual({error, enotconn}, result(start(fun() -> ?S:recvmsg(Server) end), 2000)),
    close(Server).

-spec a_sender_waits_for_a_slow_receiver(config()) -> term().
a_sender_waits_for_a_slow_receiver(_) ->
    {Client, Server} = sctp_pair(inet),
    {Many, [Peer]} = many(1),
    [begin
         [ok = ?S:setopt(From, socket, sndbuf, 10000) || From <- [Sender]],
         Data = random(4000),
         Sent = fill(fun() -> Send(Data, nowait) end, 0),
         ?assert(Sent > 0),
         ?assertEqual({error, {timeout, 4000}}, Send(Data, 50)),
         {select, Info} = Send(Data, nowait),
         Reader = start(fun() -> [?S:recv(Receiver, 0, ?PATIENCE) || _ <- lists:seq(1, Sent + 1)] end),
         ok = await_select(Sender, Info),
         ok = Send(Data, ?PATIENCE),
         ?assertEqual(lists:duplicate(Sent + 1, {ok, Data}), result(Reader))
     end || {Sender, Receiver, Send} <-
                [{Client, Server, fun(Data, Timeout) -> ?S:send(Client, Data, Timeout) end},
                 {Peer, Many, fun(Data, Timeout) -> ?S:sendto(Peer, Data, local_address(Many), Timeout) end}]],
    close({Client, Server, Many, Peer}).

%% How many messages the kernel takes before the sender has to wait.
-spec fill(fun(() -> ok | {select, term()}), non_neg_integer()) -> non_neg_integer().
fill(Send, Sent) ->
    case Send() of
        ok -> fill(Send, Sent + 1);
        {select, _} -> Sent
    end.

%% ---- One to many

-spec one_socket_talks_to_many_peers(config()) -> term().
one_socket_talks_to_many_peers(_) ->
    {Server, [First | _] = Peers} = many(5),
    ok = ?S:connect(First, local_address(Server), ?PATIENCE),
    ?assertEqual({error, eisconn}, ?S:connect(First, local_address(Server), ?PATIENCE)),
    [ok = ?S:sendto(Peer, term_to_binary(N), local_address(Server)) || {N, Peer} <- lists:zip(lists:seq(1, 5), Peers)],
    Received = [begin
                    {ok, {Source, Data}} = ?S:recvfrom(Server, 0, ?PATIENCE),
                    ok = ?S:sendto(Server, <<"to ", Data/binary>>, Source),
                    binary_to_term(Data)
                end || _ <- Peers],
    ?assertEqual(lists:seq(1, 5), lists:sort(Received)),
    ?assertEqual([{ok, <<"to ", (term_to_binary(N))/binary>>} || N <- lists:seq(1, 5)],
                 [?S:recv(Peer, 0, ?PATIENCE) || Peer <- Peers]),
    ?assertEqual({ok, 5}, ?S:getopt(Server, sctp, get_assoc_number)),
    close([Server | Peers]).

-spec one_to_many_sockets_have_no_peer(config()) -> term().
one_to_many_sockets_have_no_peer(_) ->
    {Server, [Client]} = many(1),
    ok = ?S:connect(Client, local_address(Server), ?PATIENCE),
    ?assertEqual({error, enotconn}, ?S:peername(Client)),
    ?assertEqual({error, {epipe, 3}}, ?S:send(Client, <<"who">>)),
    ?assertEqual({error, enotsup}, ?S:accept(Server, 0)),
    ?assertEqual({error, enotconn}, ?S:shutdown(Client, write)),
    close({Server, Client}).

%% ---- Processes

-spec receivers_queue_and_are_answered_when_the_socket_closes(config()) -> term().
receivers_queue_and_are_answered_when_the_socket_closes(_) ->
    {Server, [Client]} = many(1),
    Readers = [begin
                   Reader = start(fun() -> ?S:recv(Server, 0, ?PATIENCE) end),
                   await_parked(Server, num_readers, N),
                   Reader
               end || N <- [1, 2, 3]],
    {select, Info} = ?S:recvmsg(Server, nowait),
    [First | Others] = Readers,
    ok = ?S:sendto(Client, <<"for the first">>, local_address(Server)),
    ?assertEqual({ok, <<"for the first">>}, result(First)),
    close(Server),
    ?assertEqual([{error, closed}, {error, closed}], [result(Reader) || Reader <- Others]),
    ok = await_abort(Server, Info, closed),
    close(Client).

-spec the_death_of_its_owner_ends_an_association(config()) -> term().
the_death_of_its_owner_ends_an_association(_) ->
    Listener = sctp_listener(inet, stream),
    Owner = actor(),
    ok = run(Owner, fun() ->
        {ok, Client} = ?S:open(inet, stream, sctp),
        ok = ?S:connect(Client, local_address(Listener), ?PATIENCE)
    end),
    {ok, Server} = ?S:accept(Listener, ?PATIENCE),
    ok = kill(Owner),
    ?assertEqual({error, closed}, ?S:recv(Server, 0, ?PATIENCE)),
    close({Listener, Server}).

%% ---- What is told of them

-spec counters_count_messages(config()) -> term().
counters_count_messages(_) ->
    {Server, [Client]} = many(1),
    [ok = ?S:sendto(Client, Data, local_address(Server)) || Data <- [<<"1">>, <<"22">>, <<"333">>]],
    [{ok, _} = ?S:recvmsg(Server, ?PATIENCE) || _ <- [1, 2, 3]],
    ?assertMatch(#{counters := #{write_pkg := 3, write_byte := 6, write_pkg_max := 3, write_fails := 0}}, ?S:info(Client)),
    ?assertMatch(#{counters := #{read_pkg := 3, read_byte := 6, read_fails := 0}}, ?S:info(Server)),
    close({Server, Client}).

-spec the_registry_knows_sctp(config()) -> term().
the_registry_knows_sctp(_) ->
    #{counters := #{num_psctp := Before, num_tseqpkgs := Packets}} = ?S:info(),
    {Server, [Client]} = many(1),
    {Stream, Accepted} = sctp_pair(inet6),
    ?assertEqual(lists:sort([Server, Client, Stream, Accepted]), lists:sort(?S:which_sockets(sctp))),
    ?assertEqual(lists:sort([Server, Client]), lists:sort(?S:which_sockets(seqpacket))),
    ?assertEqual([], ?S:which_sockets(tcp)),
    #{counters := #{num_psctp := After, num_tseqpkgs := More}} = ?S:info(),
    ?assertEqual({4, 2}, {After - Before, More - Packets}),
    close({Server, Client, Stream, Accepted}),
    ?assertEqual([], ?S:which_sockets(sctp)).

-spec open_of_a_descriptor_knows_sctp(config()) -> term().
open_of_a_descriptor_knows_sctp(_) ->
    {Server, [Client]} = many(1),
    {ok, FD} = ?S:getopt(Server, otp, fd),
    {ok, Copy} = ?S:open(FD),
    ?assertMatch(#{domain := inet, type := seqpacket, protocol := sctp}, ?S:info(Copy)),
    ok = ?S:sendto(Client, <<"either">>, local_address(Server)),
    ?assertEqual({ok, <<"either">>}, ?S:recv(Copy, 0, ?PATIENCE)),
    close({Server, Client, Copy}).
