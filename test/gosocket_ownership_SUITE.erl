%% Whose a socket is, what the death of an owner or of a user does, and that nothing is lost with a reader.
-module(gosocket_ownership_SUITE).

-export([
    owner_death_closes_the_socket/1,
    owner_death_ends_every_call_of_others/1,
    owner_death_aborts_the_selects_of_others/1,
    owner_that_waits_on_its_own_socket_dies/1,
    owner_that_dies_has_received_what_it_got/1,
    death_of_a_user_closes_nothing/1,
    death_of_the_current_reader_activates_the_next/1,
    death_of_a_queued_reader_is_forgotten/1,
    death_of_the_current_writer_activates_the_next/1,
    death_of_an_acceptor_activates_the_next/1,
    death_of_a_connector_leaves_the_kernel_connecting/1,
    unreferenced_socket_of_a_live_owner_stays_open/1,
    accepted_socket_belongs_to_its_acceptor/1,
    controlling_process_hands_the_socket_over/1,
    controlling_process_is_the_owners_to_set/1,
    controlling_process_takes_live_pids_only/1,
    meta_is_the_owners_to_set_and_everybodys_to_read/1,
    options_are_everybodys/1,
    killed_while_opening_or_accepting_leaks_nothing/1
]).

-define(OURS, [
    death_of_a_connector_leaves_the_kernel_connecting,
    killed_while_opening_or_accepting_leaks_nothing % hangs the reference
]).
-include("gosocket_test.hrl").

%% ---- owners ----

-spec owner_death_closes_the_socket(config()) -> term().
owner_death_closes_the_socket(_) ->
    [begin
         Owner = actor(),
         Socket = run(Owner, fun() -> unconnected({inet, stream}) end),
         ?assertMatch(#{ctrl := Owner}, ?S:info(Socket)),
         unlink(Owner),
         exit(Owner, Reason),
         await_closed(Socket),
         ?assertMatch(#{ctrl := Owner}, ?S:info(Socket)),
         ?assertEqual({error, closed}, ?S:close(Socket))
     end || Reason <- [kill, shutdown]],
    Ended = start(fun() -> unconnected({inet, stream}) end),
    await_closed(result(Ended)).

-spec await_closed(socket()) -> ok.
await_closed(Socket) ->
    wait_until(fun() -> ?S:sockname(Socket) =:= {error, closed} end).

-spec owner_death_ends_every_call_of_others(config()) -> term().
owner_death_ends_every_call_of_others(_) ->
    [begin
         Owner = actor(),
         #{others := Others} = Situation = owned_by(Owner, gosocket_test_blocked:make(Name)),
         Call = gosocket_test_blocked:start(Situation),
         kill(Owner),
         ?assertEqual({Name, gosocket_test_blocked:error(Name, closed)},
                      {Name, gosocket_test_blocked:outcome(Name, result(Call))}),
         close(Others)
     end || Name <- gosocket_test_blocked:names()].

-spec owner_death_aborts_the_selects_of_others(config()) -> term().
owner_death_aborts_the_selects_of_others(_) ->
    [begin
         Owner = actor(),
         #{socket := Socket, others := Others} = Situation = owned_by(Owner, gosocket_test_blocked:make(Name)),
         SelectInfo = gosocket_test_blocked:select(Situation),
         kill(Owner),
         await_abort(Socket, SelectInfo, closed),
         close(Others)
     end || Name <- gosocket_test_blocked:select_calls()].

%% The other end stays ours: its close would end the calls too.
-spec owned_by(pid(), gosocket_test_blocked:situation()) -> gosocket_test_blocked:situation().
owned_by(Owner, #{socket := Socket} = Situation) ->
    ok = ?S:setopt(Socket, otp, controlling_process, Owner),
    Situation.

-spec owner_that_waits_on_its_own_socket_dies(config()) -> term().
owner_that_waits_on_its_own_socket_dies(_) ->
    Owner = actor(),
    {A, B} = run(Owner, fun() -> pair({inet, stream}) end),
    _ = cast(Owner, fun() -> ?S:recv(B, 0) end),
    await_parked(B, num_readers, 1),
    kill(Owner),
    await_closed(A),
    await_closed(B).

-spec unreferenced_socket_of_a_live_owner_stays_open(config()) -> term().
unreferenced_socket_of_a_live_owner_stays_open(_) ->
    Owner = actor(),
    Address = run(Owner, fun() -> local_address(bound({inet, dgram})) end),
    true = run(Owner, fun() -> erlang:garbage_collect() end),
    Second = unconnected({inet, dgram}),
    ?assertEqual({error, eaddrinuse}, ?S:bind(Second, Address)),
    kill(Owner),
    wait_until(fun() -> ?S:bind(Second, Address) =/= {error, eaddrinuse} end),
    close(Second).

-spec accepted_socket_belongs_to_its_acceptor(config()) -> term().
accepted_socket_belongs_to_its_acceptor(_) ->
    Listener = listener({inet, stream}),
    Client = unconnected({inet, stream}),
    Acceptor = actor(),
    ok = ?S:connect(Client, local_address(Listener)),
    {ok, Server} = run(Acceptor, fun() -> ?S:accept(Listener) end),
    ?assertMatch(#{ctrl := Acceptor}, ?S:info(Server)),
    kill(Acceptor),
    ?assertEqual({error, closed}, ?S:recv(Client, 0, ?PATIENCE)),
    await_closed(Server),
    close({Listener, Client}).

%% Proves: otp controlling_process
-spec controlling_process_hands_the_socket_over(config()) -> term().
controlling_process_hands_the_socket_over(_) ->
    First = actor(),
    Second = actor(),
    Socket = run(First, fun() -> unconnected({inet, stream}) end),
    ?assertEqual(ok, run(First, fun() -> ?S:setopt(Socket, otp, controlling_process, Second) end)),
    ?assertEqual({ok, Second}, ?S:getopt(Socket, otp, controlling_process)),
    kill(First),
    no_messages(Socket),
    ?assertMatch({ok, _}, ?S:sockname(Socket)),
    kill(Second),
    await_closed(Socket).

-spec controlling_process_is_the_owners_to_set(config()) -> term().
controlling_process_is_the_owners_to_set(_) ->
    Owner = actor(),
    Socket = run(Owner, fun() -> unconnected({inet, stream}) end),
    ?assertEqual({error, not_owner}, ?S:setopt(Socket, otp, controlling_process, self())),
    ?assertEqual({ok, Owner}, ?S:getopt(Socket, otp, controlling_process)),
    kill(Owner).

-spec controlling_process_takes_live_pids_only(config()) -> term().
controlling_process_takes_live_pids_only(_) ->
    Socket = unconnected({inet, stream}),
    Dead = actor(),
    kill(Dead),
    ?assertEqual({error, einval}, ?S:setopt(Socket, otp, controlling_process, Dead)),
    ?assertEqual({ok, self()}, ?S:getopt(Socket, otp, controlling_process)),
    [?assertEqual({error, {invalid, {not_supported, {otp, controlling_process, Term}}}},
                  outcome(fun() -> ?S:setopt(Socket, otp, controlling_process, Term) end)) || Term <- [foo, 17, make_ref()]],
    ?assertEqual(ok, ?S:setopt(Socket, otp, controlling_process, self())),
    close(Socket).

%% Proves: otp meta
-spec meta_is_the_owners_to_set_and_everybodys_to_read(config()) -> term().
meta_is_the_owners_to_set_and_everybodys_to_read(_) ->
    Socket = unconnected({inet, stream}),
    Meta = {any, [<<"term">>], #{1 => self()}},
    ok = ?S:setopt(Socket, otp, meta, Meta),
    Other = actor(),
    ?assertEqual({ok, Meta}, run(Other, fun() -> ?S:getopt(Socket, otp, meta) end)),
    ?assertEqual({error, not_owner}, run(Other, fun() -> ?S:setopt(Socket, otp, meta, mine) end)),
    ?assertEqual({ok, Meta}, ?S:getopt(Socket, otp, meta)),
    kill(Other),
    close(Socket).

-spec options_are_everybodys(config()) -> term().
options_are_everybodys(_) ->
    Socket = unconnected({inet, stream}),
    Other = actor(),
    ?assertEqual(ok, run(Other, fun() -> ?S:setopt(Socket, otp, rcvbuf, 100) end)),
    ?assertEqual(ok, run(Other, fun() -> ?S:setopt(Socket, socket, reuseaddr, true) end)),
    ?assertEqual({ok, 100}, ?S:getopt(Socket, otp, rcvbuf)),
    ?assertEqual({ok, true}, ?S:getopt(Socket, socket, reuseaddr)),
    kill(Other),
    close(Socket).

%% ---- users ----

-spec death_of_a_user_closes_nothing(config()) -> term().
death_of_a_user_closes_nothing(_) ->
    {A, B} = pair({inet, stream}),
    User = actor(),
    ok = run(User, fun() -> ?S:send(A, <<"x">>) end),
    _ = cast(User, fun() -> ?S:recv(A, 0) end),
    await_parked(A, num_readers, 1),
    kill(User),
    await_parked(A, num_readers, 0),
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 1, ?PATIENCE)),
    ok = ?S:send(B, <<"y">>),
    ?assertEqual({ok, <<"y">>}, ?S:recv(A, 1, ?PATIENCE)),
    close({A, B}).

-spec death_of_the_current_reader_activates_the_next(config()) -> term().
death_of_the_current_reader_activates_the_next(_) ->
    {A, B} = pair({inet, stream}),
    {First, _} = start(fun() -> ?S:recv(B, 0) end),
    await_parked(B, num_readers, 1),
    Second = start(fun() -> ?S:recv(B, 0) end),
    await_parked(B, num_readers, 2),
    kill(First),
    await_parked(B, num_readers, 1),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, result(Second)),
    close({A, B}).

-spec death_of_a_queued_reader_is_forgotten(config()) -> term().
death_of_a_queued_reader_is_forgotten(_) ->
    {A, B} = pair({inet, stream}),
    [First, {Second, _}, Third] =
        [begin
             Call = start(fun() -> ?S:recv(B, 1) end),
             await_parked(B, num_readers, N),
             Call
         end || N <- [1, 2, 3]],
    kill(Second),
    await_parked(B, num_readers, 2),
    ok = ?S:send(A, <<"ab">>),
    ?assertEqual([{ok, <<"a">>}, {ok, <<"b">>}], [result(First), result(Third)]),
    close({A, B}).

-spec death_of_the_current_writer_activates_the_next(config()) -> term().
death_of_the_current_writer_activates_the_next(_) ->
    {A, B} = small_pair({local, stream}),
    {First, _} = start(fun() -> ?S:send(A, binary:copy(<<"1">>, 1 bsl 20)) end),
    await_parked(A, num_writers, 1),
    Second = start(fun() -> ?S:send(A, <<"22">>) end),
    await_parked(A, num_writers, 2),
    kill(First),
    await_parked(A, num_writers, 1),
    {Ones, Twos} = split_at_2(B, <<>>),
    ?assertEqual({<<>>, <<"22">>}, {binary:replace(Ones, <<"1">>, <<>>, [global]), Twos}),
    ?assertEqual(ok, result(Second)),
    close({A, B}).

-spec split_at_2(socket(), binary()) -> {binary(), binary()}.
split_at_2(Socket, Data) ->
    case binary:match(Data, <<"22">>) of
        {Position, 2} ->
            split_binary(Data, Position);
        nomatch ->
            {ok, More} = ?S:recv(Socket, 0, ?PATIENCE),
            split_at_2(Socket, <<Data/binary, More/binary>>)
    end.

-spec death_of_an_acceptor_activates_the_next(config()) -> term().
death_of_an_acceptor_activates_the_next(_) ->
    Listener = listener({inet, stream}),
    {First, _} = start(fun() -> ?S:accept(Listener) end),
    await_parked(Listener, num_acceptors, 1),
    Second = start(fun() -> {ok, Socket} = ?S:accept(Listener), ?S:sockname(Socket) end),
    await_parked(Listener, num_acceptors, 2),
    kill(First),
    await_parked(Listener, num_acceptors, 1),
    Client = unconnected({inet, stream}),
    ok = ?S:connect(Client, local_address(Listener)),
    ?assertMatch({ok, #{family := inet}}, result(Second)),
    close({Listener, Client}).

%% The last counters of its socket say so, however late: receives may be served from copies of what the kernel has.
-spec owner_that_dies_has_received_what_it_got(config()) -> term().
owner_that_dies_has_received_what_it_got(_) ->
    [begin
         {A, B} = pair(Kind),
         Owner = actor(),
         ok = ?S:setopt(B, otp, controlling_process, Owner),
         Taken = run(Owner, fun() ->
                     ok = ?S:send(A, random(100)),
                     [{ok, _} = ?S:recv(B, 1) || _ <- lists:seq(1, 90)],
                     90
                 end),
         kill(Owner),
         await_closed(B),
         #{counters := #{read_byte := Counted}} = ?S:info(B),
         ?assertEqual({Kind, Taken}, {Kind, Counted}),
         close(A)
     end || Kind <- stream_kinds(), _ <- lists:seq(1, 10)].

-spec death_of_a_connector_leaves_the_kernel_connecting(config()) -> term().
death_of_a_connector_leaves_the_kernel_connecting(_) ->
    #{socket := Socket, others := Others, call := Call} = Situation = gosocket_test_blocked:make(connect),
    {Connector, _} = gosocket_test_blocked:start(Situation),
    kill(Connector),
    wait_until(fun() -> Call(nowait) =:= {error, ealready} end),
    close([Socket | Others]).

%% Whoever is killed in the middle of an open or accept owned what came of it.
-spec killed_while_opening_or_accepting_leaks_nothing(config()) -> term().
killed_while_opening_or_accepting_leaks_nothing(_) ->
    Listener = listener({inet, stream}),
    Address = local_address(Listener),
    [begin
         {Opener, _} = start(fun() -> forever(fun() -> ?S:open(inet, dgram) end) end),
         Client = unconnected({inet, stream}),
         {Acceptor, _} = start(fun() -> ?S:accept(Listener), forever(fun erlang:yield/0) end),
         ok = ?S:connect(Client, Address),
         [erlang:yield() || _ <- lists:seq(1, rand:uniform(300))],
         kill(Opener),
         kill(Acceptor),
         close(Client)
     end || _ <- lists:seq(1, 100)],
    close(Listener).

-spec forever(fun(() -> term())) -> no_return().
forever(Fun) ->
    Fun(),
    forever(Fun).
