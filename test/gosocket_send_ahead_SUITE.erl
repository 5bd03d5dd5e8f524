%% Send-ahead: what a send is told before the kernel has it is sent all the same, in its order, whoever dies and whatever is
%% called behind it; and what cannot be sent is told to the next call.
-module(gosocket_send_ahead_SUITE).

-export([
    sends_are_answered_before_the_kernel_has_them/1,
    above_the_credit_a_send_waits/1,
    what_is_above_the_credit_keeps_its_place/1,
    connected_and_accepted_streams_have_credit_others_have_none/1,
    death_of_a_sender_takes_nothing_back/1,
    death_of_the_owner_takes_nothing_back/1,
    close_answers_at_once_and_the_peer_gets_all/1,
    shutdown_answers_at_once_and_the_peer_gets_all/1,
    close_of_one_of_several_holders_sends_what_is_ahead/1,
    close_with_linger_0_drops_what_is_ahead/1,
    close_with_linger_waits_for_what_is_ahead/1,
    first_call_behind_a_failure_hears_of_it/1,
    receives_behind_a_failure_are_the_kernels/1,
    waiting_send_behind_what_is_ahead_hears_of_the_failure/1,
    nothing_is_ahead_of_a_call_that_the_helper_has_yet_to_read/1,
    variable_says_what_sockets_are_opened_with/1
]).

-define(OURS, []).
-define(LACKING, case ?REFERENCE_RUN of true -> "the reference has no send-ahead"; false -> "" end).
-include("gosocket_test.hrl").

-define(CREDIT, 1000000).

-spec ahead(gosocket_test_net:kind()) -> {socket(), socket()}.
ahead(Kind) ->
    {A, B} = pair(Kind),
    ok = ?S:setopt(A, otp, send_ahead, ?CREDIT),
    {A, B}.

%% Sends until nothing goes ahead any more, and gives all that was accepted.
-spec filled(socket()) -> binary().
filled(A) -> iolist_to_binary(filled(A, [])).

-spec filled(socket(), [binary()]) -> [binary()].
filled(A, Sent) ->
    Data = random(50000),
    case ?S:send(A, Data, 0) of
        ok -> filled(A, [Sent, Data]);
        {error, {timeout, Left}} -> [Sent, binary_part(Data, 0, 50000 - Left)]
    end.

-spec received(socket(), non_neg_integer()) -> binary().
received(B, Size) ->
    {ok, Data} = ?S:recv(B, Size, ?PATIENCE),
    Data.

-spec gets_all_and_the_end(socket(), binary()) -> ok.
gets_all_and_the_end(B, Sent) ->
    ?assertEqual(Sent, received(B, byte_size(Sent))),
    ?assertEqual({error, closed}, ?S:recv(B, 1, ?PATIENCE)).

-spec each_stream(fun((gosocket_test_net:kind()) -> term())) -> ok.
each_stream(Fun) -> lists:foreach(Fun, stream_kinds()).

-spec sends_are_answered_before_the_kernel_has_them(config()) -> term().
sends_are_answered_before_the_kernel_has_them(_) -> each_stream(fun sends_are_answered_before_the_kernel_has_them_of/1).

-spec sends_are_answered_before_the_kernel_has_them_of(gosocket_test_net:kind()) -> ok.
sends_are_answered_before_the_kernel_has_them_of(Kind) ->
    {A, B} = ahead(Kind),
    Sent = filled(A),
    %% the kernel has refused so much of what was answered
    {?CREDIT, Ahead} = sends(A),
    ?assert(Ahead > ?CREDIT div 2, {Kind, Ahead}),
    ?assertEqual(Sent, received(B, byte_size(Sent))),
    %% there is credit again
    More = filled(A),
    ?assertEqual(More, received(B, byte_size(More))),
    ?assertEqual({ok, ?CREDIT}, ?S:getopt(A, otp, send_ahead)),
    close(A),
    close(B).

-spec above_the_credit_a_send_waits(config()) -> term().
above_the_credit_a_send_waits(_) ->
    {A, B} = ahead({local, stream}),
    Sent = filled(A),
    ?assertMatch({error, {timeout, _}}, ?S:send(A, random(100000), 50)),
    {select, Info} = ?S:send(A, <<"x">>, nowait),
    ok = ?S:cancel(A, Info),
    Waiting = start(fun() -> ?S:send(A, <<"last">>) end),
    await_parked(A, num_writers, 1),
    {ok, Got} = ?S:recv(B, byte_size(Sent), ?PATIENCE),
    ?assertEqual(Sent, Got),
    ?assertEqual(ok, result(Waiting)),
    close(A),
    close(B).

%% Ten senders, each with numbered messages of a size that does not fit into the credit at all times.
-spec what_is_above_the_credit_keeps_its_place(config()) -> term().
what_is_above_the_credit_keeps_its_place(_) -> each_stream(fun what_is_above_the_credit_keeps_its_place_of/1).

-spec what_is_above_the_credit_keeps_its_place_of(gosocket_test_net:kind()) -> ok.
what_is_above_the_credit_keeps_its_place_of(Kind) ->
    {A, B} = pair(Kind),
    ok = ?S:setopt(A, otp, send_ahead, 20000),
    Senders = [start(fun() ->
                         [ok = ?S:send(A, <<Sender, N:32, 0:(8 * 1995)>>) || N <- lists:seq(1, 100)],
                         done
                     end) || Sender <- lists:seq(1, 10)],
    Got = received(B, 10 * 100 * 2000),
    Messages = [{Sender, N} || <<Sender, N:32, 0:(8 * 1995)>> <= Got],
    ?assertEqual(1000, length(Messages)),
    [?assertEqual(lists:seq(1, 100), [N || {Of, N} <- Messages, Of =:= Sender]) || Sender <- lists:seq(1, 10)],
    [done = result(Sender) || Sender <- Senders],
    close(A),
    close(B).

-spec connected_and_accepted_streams_have_credit_others_have_none(config()) -> term().
connected_and_accepted_streams_have_credit_others_have_none(_) ->
    Set = fun(Socket) -> ?S:setopt(Socket, otp, send_ahead, 1000) end,
    Listener = listener({inet, stream}, Set),
    Client = unconnected({inet, stream}),
    ok = Set(Client),
    ?assertEqual(0, credit(Client)),
    Server = accepted(Listener, Client),
    ?assertEqual([1000, 1000], [credit(Client), credit(Server)]),
    ok = ?S:setopt(Client, otp, debug, true),
    ?assertEqual(0, credit(Client)),
    ok = ?S:setopt(Client, otp, debug, false),
    ?assertEqual(1000, credit(Client)),
    ok = ?S:setopt(Client, otp, send_ahead, 0),
    ?assertEqual(0, credit(Client)),
    {ok, FD} = ?S:getopt(Server, otp, fd),
    {ok, Copy} = ?S:open(FD, #{lane => Server}),
    ok = Set(Copy),
    ?assertEqual(0, credit(Copy)),
    {A, B} = pair({inet, dgram}),
    ok = Set(A),
    ?assertEqual(0, credit(A)),
    ok = ?S:shutdown(Server, write),
    ?assertEqual(0, credit(Server)),
    ?assertEqual({error, {epipe, 1}}, ?S:send(Server, <<"x">>)),
    Nowait = unconnected({inet, stream}),
    ok = Set(Nowait),
    case ?S:connect(Nowait, local_address(Listener), nowait) of
        ok -> ok;
        {select, Info} ->
            await_select(Nowait, Info),
            ok = ?S:connect(Nowait)
    end,
    ?assertEqual(1000, credit(Nowait)),
    ?assertError({invalid, _}, ?S:setopt(Nowait, otp, send_ahead, -1)),
    lists:foreach(fun gosocket_test_net:close/1, [Listener, Client, Server, Copy, A, B, Nowait]).

-spec credit(socket()) -> non_neg_integer().
credit(Socket) ->
    {Credit, _Ahead} = sends(Socket),
    Credit.

%% What the lane knows: all calls that change the credit are answered behind that.
-spec sends(socket()) -> {Credit :: non_neg_integer(), Ahead :: non_neg_integer()}.
sends({'$socket', Handle}) ->
    {_, Number} = gosocket_handle:place(Handle),
    {dictionary, Dictionary} = process_info(lane(), dictionary),
    case lists:keyfind(-2 - 2 * Number, 1, Dictionary) of
        {_, Sends} -> Sends;
        false -> {0, 0}
    end.

-spec death_of_a_sender_takes_nothing_back(config()) -> term().
death_of_a_sender_takes_nothing_back(_) ->
    each_stream(fun(Kind) ->
        {A, B} = ahead(Kind),
        Sender = actor(),
        Sent = run(Sender, fun() -> filled(A) end),
        kill(Sender),
        ?assertEqual(Sent, received(B, byte_size(Sent))),
        close(A),
        close(B)
    end).

-spec death_of_the_owner_takes_nothing_back(config()) -> term().
death_of_the_owner_takes_nothing_back(_) ->
    each_stream(fun(Kind) ->
        {A, B} = ahead(Kind),
        Owner = actor(),
        ok = ?S:setopt(A, otp, controlling_process, Owner),
        Sent = run(Owner, fun() -> filled(A) end),
        kill(Owner),
        gets_all_and_the_end(B, Sent),
        close(B)
    end).

-spec close_answers_at_once_and_the_peer_gets_all(config()) -> term().
close_answers_at_once_and_the_peer_gets_all(_) ->
    each_stream(fun(Kind) ->
        {A, B} = ahead(Kind),
        Sent = filled(A),
        ?assertEqual(ok, ?S:close(A)),
        ?assertEqual({error, {closed, 1}}, ?S:send(A, <<"x">>)),
        gets_all_and_the_end(B, Sent),
        close(B)
    end).

-spec shutdown_answers_at_once_and_the_peer_gets_all(config()) -> term().
shutdown_answers_at_once_and_the_peer_gets_all(_) ->
    each_stream(fun(Kind) ->
        [begin
             {A, B} = ahead(Kind),
             Sent = filled(A),
             ?assertEqual(ok, ?S:shutdown(A, How)),
             ?assertEqual({error, {epipe, 1}}, ?S:send(A, <<"x">>)),
             gets_all_and_the_end(B, Sent),
             close(A),
             close(B)
         end || How <- [write, read_write]]
    end).

%% Whoever has the descriptor as well, or a duplicate, keeps the connection.
-spec close_of_one_of_several_holders_sends_what_is_ahead(config()) -> term().
close_of_one_of_several_holders_sends_what_is_ahead(_) ->
    each_stream(fun(Kind) ->
        [begin
             {A, B} = ahead(Kind),
             Sent = filled(A),
             {ok, FD} = ?S:getopt(A, otp, fd),
             {ok, Other} = ?S:open(FD, #{dup => Dup, lane => A}),
             ?assertEqual(ok, ?S:close(A)),
             ?assertEqual(Sent, received(B, byte_size(Sent))),
             ?assertEqual(ok, ?S:send(Other, <<"x">>)),
             close(Other),
             gets_all_and_the_end(B, <<"x">>),
             close(B)
         end || Dup <- [true, false]]
    end).

-spec close_with_linger_0_drops_what_is_ahead(config()) -> term().
close_with_linger_0_drops_what_is_ahead(_) ->
    {A, B} = ahead({inet, stream}),
    ok = ?S:setopt(A, socket, linger, #{onoff => true, linger => 0}),
    Sent = filled(A),
    ok = ?S:close(A),
    ?assertMatch({error, {econnreset, _}}, ?S:recv(B, byte_size(Sent), ?PATIENCE)),
    close(B).

-spec close_with_linger_waits_for_what_is_ahead(config()) -> term().
close_with_linger_waits_for_what_is_ahead(_) ->
    {A, B} = ahead({inet, stream}),
    ok = ?S:setopt(A, socket, linger, #{onoff => true, linger => 10}),
    Sent = filled(A),
    {_, Ended} = Closing = start(fun() -> ?S:close(A) end),
    %% its peer takes nothing until then
    ?assertEqual(none, receive {'DOWN', Ended, _, _, _} = Early -> Early after 200 -> none end),
    gets_all_and_the_end(B, Sent),
    ?assertEqual(ok, result(Closing)),
    close(B),
    {C, D} = ahead({inet, stream}),
    ok = ?S:setopt(C, socket, linger, #{onoff => true, linger => 1}),
    _ = filled(C),
    {Time, ok} = elapsed(fun() -> ?S:close(C) end),
    ?assert(Time >= 900 andalso Time < 5000, Time),
    close(D).

%% The peer is gone: what is ahead cannot be sent.
-spec failed(gosocket_test_net:kind()) -> socket().
failed(Kind) ->
    {A, B} = ahead(Kind),
    _ = filled(A),
    close(B),
    wait_until(fun() -> lists:member(0, tuple_to_list(sends(A))) end),
    case credit(A) of
        0 -> A;
        _ -> close(A), failed(Kind) % the kernel refused for a moment only, and has got all of it: nothing can fail
    end.

-spec first_call_behind_a_failure_hears_of_it(config()) -> term().
first_call_behind_a_failure_hears_of_it(_) ->
    each_stream(fun(Kind) ->
        Reasons = [epipe, econnreset],
        Send = fun(Socket) -> ?S:send(Socket, <<"abc">>) end,
        [begin
             A = failed(Kind),
             {error, First} = Call(A),
             ?assert(lists:member(First, Firsts), {Kind, First}),
             ?assertEqual({error, {epipe, 3}}, Send(A)),
             ?assertEqual({error, {epipe, 2}}, ?S:send(A, <<"ab">>, nowait)),
             ?assertEqual(ok, ?S:close(A))
         end || {Call, Firsts} <- [{Send, [{Reason, 3} || Reason <- Reasons]},
                                   {fun(Socket) -> ?S:sendmsg(Socket, #{iov => [<<"abc">>]}) end, Reasons},
                                   {fun(Socket) -> ?S:shutdown(Socket, write) end, Reasons}]]
    end).

-spec receives_behind_a_failure_are_the_kernels(config()) -> term().
receives_behind_a_failure_are_the_kernels(_) ->
    {A, B} = ahead({local, stream}),
    _ = filled(A),
    ok = ?S:send(B, <<"from the peer">>),
    close(B),
    wait_until(fun() -> credit(A) =:= 0 end),
    ?assertEqual({ok, <<"from">>}, ?S:recv(A, 4)),
    ?assertEqual({ok, <<" the peer">>}, ?S:recv(A, 9)),
    close(A).

-spec waiting_send_behind_what_is_ahead_hears_of_the_failure(config()) -> term().
waiting_send_behind_what_is_ahead_hears_of_the_failure(_) ->
    each_stream(fun(Kind) ->
        {A, B} = ahead(Kind),
        _ = filled(A),
        Waiting = [begin
                       Call = start(fun() -> ?S:send(A, <<"abc">>) end),
                       await_parked(A, num_writers, N),
                       Call
                   end || N <- [1, 2]],
        close(B),
        [{error, {First, 3}}, Second] = [result(Call) || Call <- Waiting],
        ?assert(lists:member(First, [epipe, econnreset])),
        ?assertEqual({error, {epipe, 3}}, Second),
        close(A)
    end).

%% Calls about a socket are carried out behind what was sent ahead of them, however slow the helper is.
-spec nothing_is_ahead_of_a_call_that_the_helper_has_yet_to_read(config()) -> term().
nothing_is_ahead_of_a_call_that_the_helper_has_yet_to_read(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:setopt(A, otp, send_ahead, 16 bsl 20),
    OsPid = helper_os_pid(),
    signal("STOP", OsPid),
    Sender = start(fun() -> send_on(A, 0) end),
    receive after 500 -> ok end,
    Shutter = start(fun() -> ?S:shutdown(A, write) end),
    signal("CONT", OsPid),
    Reader = start(fun() -> ?S:recv(B, 100 bsl 20, ?PATIENCE) end),
    ok = result(Shutter),
    Sent = result(Sender),
    {error, {closed, Got}} = result(Reader),
    %% what the sender was told of before the shutdown, and of the last send some at most
    ?assert(byte_size(Got) >= Sent, {byte_size(Got), Sent}),
    close(A),
    close(B).

%% How much was accepted before the socket was shut down.
-spec send_on(socket(), non_neg_integer()) -> non_neg_integer().
send_on(A, Sent) when Sent < 64 bsl 20 ->
    case ?S:send(A, binary:copy(<<"x">>, 100000)) of
        ok -> send_on(A, Sent + 100000);
        {error, _} -> Sent
    end;
send_on(_, Sent) ->
    Sent.

%% Proves: otp send_ahead
-spec variable_says_what_sockets_are_opened_with(config()) -> term().
variable_says_what_sockets_are_opened_with(_) ->
    Socket = unconnected({inet, stream}),
    ?assertEqual({ok, 0}, ?S:getopt(Socket, otp, send_ahead)),
    close(Socket),
    Node = gosocket_test_node:start(gosocket_test_fresh, option_with, [send_ahead, 12345], [{"GOSOCKET_HELPER", false}]),
    {Result, _Printed} = gosocket_test_node:wait(Node),
    ?assertEqual({returned, [{ok, 12345}, {ok, 0}, {ok, 12345}]}, Result).
