%% A handle works on every node of a cluster: calls from this node with sockets of another, and the other way round.
-module(gosocket_remote_SUITE).

-export([
    every_function_answers_as_at_home/1,
    bad_arguments_raise_as_at_home/1,
    closed_socket_says_closed_in_every_call/1,
    handle_collected_at_home_says_closed/1,
    timeouts_of_every_call_run_at_home/1,
    timeouts_have_their_own_answer_or_the_data/1,
    select_message_has_the_handle_of_the_caller/1,
    close_at_home_aborts_a_select_once/1,
    cancel_leaves_nothing_in_the_mailbox/1,
    second_nowait_call_replaces_the_first/1,
    socket_can_be_given_to_a_process_of_another_node/1,
    only_the_owner_gives_a_socket_away/1,
    accepted_socket_belongs_to_the_remote_acceptor/1,
    connections_of_acceptors_that_end_at_once_come_once/1,
    connection_of_an_acceptor_whose_node_has_to_load_modules_comes_once/1,
    readers_of_two_nodes_take_turns/1,
    sixty_four_mib_go_out/1,
    sixteen_mib_come_in/1,
    large_datagram_goes_both_ways/1,
    thousand_calls_wait_at_the_same_time/1,
    handle_of_a_third_node_works/1,
    handle_comes_home_as_itself/1,
    idle_session_ends_and_the_next_call_starts_another/1,
    hidden_node_is_as_good_as_any/1,
    node_that_does_not_run_the_application_says_closed/1,
    caller_that_does_not_run_the_application_starts_it/1,
    node_without_the_application_says_closed/1,
    node_of_another_release_is_refused/1,
    unreachable_node_says_closed/1
]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [start/1, result/1, result/2, actor/0, run/2, cast/2, answer/1, kill/1, outcome/1, elapsed/1,
                            wait_until/1, await_parked/3, await_select/2, await_abort/3, no_messages/1, random/1]).
-import(gosocket_test_net, [pair/1, small_pair/1, listener/1, unconnected/1, bound/1, local_address/1]).
-import(gosocket_test_cluster, [start_node/0, start_node/1, stop_node/1]).

-define(ABSENT, "the reference knows its own node only").
-define(WITH_HOME, true).
-include("gosocket_test_nodes.hrl").

%% ---- every function ----

-spec every_function_answers_as_at_home(config()) -> term().
every_function_answers_as_at_home(Config) ->
    Keeper = gosocket_test_cluster:actor(home(Config)),
    Sockets = fun() -> run(Keeper, fun sockets/0) end,
    Local = run(Keeper, fun() -> script(sockets()) end),
    Remote = script(Sockets()),
    [?assertEqual(Expected, Got) || {Expected, Got} <- lists:zip(Local, Remote)],
    Called = lists:usort([FunctionAndArity || {FunctionAndArity, _} <- Remote]),
    NoSocket = [open, number_of, which_sockets, use_registry, debug, socket_debug, supports, is_supported, i, module_info],
    ?assertEqual([], [{F, A} || {F, A} <- ?S:module_info(exports), not lists:member(F, NoSocket), {F, A} =/= {info, 0}]
                     -- Called).

-spec sockets() -> tuple().
sockets() ->
    {A, B} = pair({inet, stream}),
    {C, D} = pair({inet, dgram}),
    {A, B, C, D, listener({inet, stream}), unconnected({inet, stream}), unconnected({inet, stream})}.

%% Every function with a socket, at least once.
-spec script(tuple()) -> [{{atom(), arity()}, term()}].
script({A, B, C, D, L, U, V}) ->
    put(?MODULE, []),
    To = #{family => inet, addr => loopback, port => element(2, {ok, port(D)})},
    Listening = #{family => inet, addr => loopback, port => port(L)},
    _ = [call(send, [A, <<"a">> | Rest]) || Rest <- [[], [[]], [1000], [[], infinity], [nowait]]],
    await(B, 5),
    _ = [call(recv, [B | Rest]) || Rest <- [[1, [peek]], [1], [1, 1000], [1, [], 1000], [1, nowait], [], [0, nowait], [7, 0]]],
    {select, Info} = call(recv, [B, 0, [], nowait]),
    call(cancel, [B, Info]),
    call(cancel, [B, Info]),
    _ = [call(sendto, [C, <<"x">>, To | Rest]) || Rest <- [[], [[]], [1000], [[], 1000], [nowait]]],
    _ = [call(recvfrom, [D | Rest]) || Rest <- [[], [5], [5, 1000], [[], 1000], [5, [], 1000], [0, 0]]],
    Msg = #{iov => [<<"y">>, <<"z">>]},
    _ = [call(sendmsg, [C, Msg | Rest]) || Rest <- [[], [[]], [1000], [[], 1000], [nowait]]],
    _ = [call(recvmsg, [D | Rest]) || Rest <- [[], [1000], [[], 1000], [0, 0], [0, 0, [], 1000], [[], 0]]],
    call(bind, [U, #{family => inet, addr => loopback}]),
    call(bind, [U, [], add]),
    call(bind, [C, any]),
    call(listen, [U]),
    call(listen, [U, 3]),
    call(listen, [C]),
    call(connect, [V, Listening, 1000]),
    call(connect, [V, Listening]),
    call(connect, [V]),
    call(accept, [L]),
    call(accept, [L, 10]),
    {select, Accept} = call(accept, [L, nowait]),
    call(cancel, [L, Accept]),
    call(setopt, [A, tcp, nodelay, true]),
    call(getopt, [A, tcp, nodelay]),
    call(getopt, [A, 6, {1, int}]),
    call(getopt, [A, otp, rcvbuf]),
    _ = [call(Name, [S]) || {Name, S} <- [{sockname, A}, {peername, A}, {peername, L}, {info, A}]],
    call(close_fd, [A, 1 bsl 20]),
    call(shutdown, [A, write]),
    call(recv, [B, 0, 1000]),
    _ = [call(close, [S]) || S <- [A, A, B, C, D, L, U, V]],
    call(info, [B]),
    lists:reverse(erase(?MODULE)).

-spec call(atom(), [term()]) -> term().
call(Function, Arguments) ->
    Result = outcome(fun() -> apply(?S, Function, Arguments) end),
    put(?MODULE, [{{Function, length(Arguments)}, comparable(Result)} | get(?MODULE)]),
    element(2, Result).

%% What differs from one pair of sockets to the next.
-spec comparable(term()) -> term().
comparable({'$socket', _}) -> socket;
comparable(#{port := _} = Address) -> Address#{port := port};
comparable(#{counters := Counters, ctrl := Owner} = Info) ->
    %% a part of what comes may have to be waited for
    Info#{ctrl := is_pid(Owner), counters := maps:without([read_tries, read_waits, read_fails], Counters)};
comparable({ok, Port}) when is_integer(Port), Port > 1024 -> {ok, port};
comparable(Map) when is_map(Map) -> maps:map(fun(_, Value) -> comparable(Value) end, Map);
comparable(Tuple) when is_tuple(Tuple) -> list_to_tuple([comparable(Element) || Element <- tuple_to_list(Tuple)]);
comparable(Ref) when is_reference(Ref) -> reference;
comparable(Other) -> Other.

-spec port(gosocket_test_lib:socket()) -> inet:port_number().
port(Socket) ->
    #{port := Port} = local_address(Socket),
    Port.

-spec await(gosocket_test_lib:socket(), pos_integer()) -> ok.
await(Socket, Bytes) ->
    wait_until(fun() -> {ok, Data} = ?S:recv(Socket, 0, [peek], 1000), byte_size(Data) =:= Bytes end).

-spec bad_arguments_raise_as_at_home(config()) -> term().
bad_arguments_raise_as_at_home(Config) ->
    {A, _} = there(Config, fun() -> pair({inet, stream}) end),
    ?assertError({invalid, {flag, foo}}, ?S:recv(A, 0, [foo])),
    ?assertError({invalid, {address, #{}}}, ?S:connect(A, #{})),
    ?assertError({invalid, {how, foo}}, ?S:shutdown(A, foo)),
    ?assertError({invalid, {not_supported, {socket, foo}}}, ?S:getopt(A, socket, foo)),
    ?assertError(badarg, ?S:send(A, foo)),
    ?assertError(badarg, ?S:recv(A, -1)).

%% ---- closed ----

-spec closed_socket_says_closed_in_every_call(config()) -> term().
closed_socket_says_closed_in_every_call(Config) ->
    {A, B} = there(Config, fun() -> pair({inet, stream}) end),
    ok = ?S:close(A),
    says_closed(A),
    ?assertMatch(#{domain := inet, type := stream, protocol := tcp, ctrl := undefined}, ?S:info(A)),
    ok = ?S:close(B).

-spec says_closed(gosocket_test_lib:socket()) -> ok.
says_closed(Socket) ->
    Address = #{family => inet, addr => loopback, port => 9},
    Calls = [{bind, [loopback]}, {connect, [Address]}, {connect, [Address, nowait]}, {connect, []}, {listen, []}, {accept, []},
             {accept, [nowait]}, {recv, []}, {recv, [0, nowait]}, {recvfrom, []}, {recvmsg, []}, {send, [<<"x">>]},
             {send, [<<"x">>, nowait]}, {sendto, [<<"x">>, Address]}, {sendmsg, [#{iov => [<<"x">>]}]}, {shutdown, [write]},
             {sockname, []}, {peername, []}, {getopt, [otp, rcvbuf]}, {getopt, [socket, type]}, {setopt, [otp, rcvbuf, 1]},
             {setopt, [otp, controlling_process, self()]}, {cancel, [{select_info, recv, make_ref()}]}, {close, []}],
    [?assertEqual({Function, closed(Function)}, {Function, apply(?S, Function, [Socket | Arguments])})
     || {Function, Arguments} <- Calls],
    ?assertMatch(#{counters := #{read_byte := _}, ctrl := undefined, readable := false, writable := false}, ?S:info(Socket)),
    ok.

-spec closed(atom()) -> {error, term()}.
closed(Function) when Function =:= send; Function =:= sendto -> {error, {closed, 1}};
closed(_) -> {error, closed}.

-spec handle_collected_at_home_says_closed(config()) -> term().
handle_collected_at_home_says_closed(Config) ->
    Keeper = gosocket_test_cluster:actor(home(Config)),
    {'$socket', Handle} = Socket = run(Keeper, fun() -> unconnected({inet, stream}) end),
    ok = ?S:close(Socket),
    there(Config, fun() -> [erlang:garbage_collect(Pid) || Pid <- processes()] end),
    ?assertEqual(badarg, run(Keeper, fun() ->
        try atomics:get(Handle, 1) catch error:Reason -> Reason end
    end)),
    says_closed(Socket),
    ?assertMatch(#{domain := 0, type := 0, counters := #{read_byte := 0}}, ?S:info(Socket)),
    ?assertEqual({error, badarg}, run(Keeper, fun() -> ?S:sockname(Socket) end)).

%% ---- time-outs ----

-spec timeouts_of_every_call_run_at_home(config()) -> term().
timeouts_of_every_call_run_at_home(Config) ->
    [begin
         Situation = #{call := Call} = there(Config, fun() -> gosocket_test_blocked:make(Name) end),
         {Elapsed, Result} = elapsed(fun() -> Call(150) end),
         ?assertEqual({Name, gosocket_test_blocked:error(Name, timeout)}, {Name, gosocket_test_blocked:outcome(Name, Result)}),
         ?assert(Elapsed >= 150),
         {_, Zero} = elapsed(fun() -> (maps:get(call, Situation))(0) end),
         ?assertMatch({error, _}, Zero)
     end || Name <- gosocket_test_blocked:names()],
    %% nor longer than they should, but for what the machine has to do besides
    {_, B} = there(Config, fun() -> pair({inet, stream}) end),
    Times = [element(1, elapsed(fun() -> ?S:recv(B, 0, 60) end)) || _ <- lists:seq(1, 10)],
    ?assert(lists:min(Times) < 110).

-spec timeouts_have_their_own_answer_or_the_data(config()) -> term().
timeouts_have_their_own_answer_or_the_data(Config) ->
    {A, B} = there(Config, fun() -> pair({inet, stream}) end),
    Sent = [begin
                Sender = start(fun() -> receive after Pause -> ?S:send(A, <<N>>) end end),
                Got = ?S:recv(B, 1, 5),
                ok = result(Sender),
                case Got of
                    {ok, <<N>>} -> in_time;
                    {error, timeout} -> {ok, <<N>>} = ?S:recv(B, 1, 1000), late
                end
            end || N <- lists:seq(1, 100), Pause <- [N rem 10]],
    ct:log("~w", [[{What, length([x || W <- Sent, W =:= What])} || What <- [in_time, late]]]).

%% ---- selects ----

-spec select_message_has_the_handle_of_the_caller(config()) -> term().
select_message_has_the_handle_of_the_caller(Config) ->
    {A, B} = there(Config, fun() -> pair({inet, stream}) end),
    {select, {select_info, recv, Ref}} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"x">>),
    receive Message -> ?assertEqual({'$socket', B, select, Ref}, Message) after ?PATIENCE -> ct:fail(no_message) end,
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 0, nowait)),
    no_messages(B).

-spec close_at_home_aborts_a_select_once(config()) -> term().
close_at_home_aborts_a_select_once(Config) ->
    {_, B} = there(Config, fun() -> pair({inet, stream}) end),
    {select, Info} = ?S:recv(B, 0, nowait),
    ok = there(Config, fun() -> ?S:close(B) end),
    await_abort(B, Info, closed),
    no_messages(B).

-spec cancel_leaves_nothing_in_the_mailbox(config()) -> term().
cancel_leaves_nothing_in_the_mailbox(Config) ->
    {A, B} = there(Config, fun() -> pair({inet, stream}) end),
    Outcomes = [begin
                    {select, Info} = ?S:recv(B, 0, nowait),
                    Sender = start(fun() -> ?S:send(A, <<"x">>) end),
                    _ = [erlang:yield() || _ <- lists:seq(1, N * 10)],
                    Cancelled = ?S:cancel(B, Info),
                    no_messages(B),
                    ok = result(Sender),
                    {ok, <<"x">>} = ?S:recv(B, 1, 1000),
                    Cancelled
                end || N <- lists:seq(1, 200)],
    ?assertEqual([ok], lists:usort(Outcomes)).

-spec second_nowait_call_replaces_the_first(config()) -> term().
second_nowait_call_replaces_the_first(Config) ->
    {A, B} = there(Config, fun() -> pair({inet, stream}) end),
    {select, _} = ?S:recv(B, 0, nowait),
    {select, Second} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"x">>),
    await_select(B, Second),
    no_messages(B).

%% ---- owners ----

-spec socket_can_be_given_to_a_process_of_another_node(config()) -> term().
socket_can_be_given_to_a_process_of_another_node(Config) ->
    Keeper = gosocket_test_cluster:actor(home(Config)),
    Socket = run(Keeper, fun() -> unconnected({inet, stream}) end),
    Owner = actor(),
    ok = run(Keeper, fun() -> ?S:setopt(Socket, otp, controlling_process, Owner) end),
    ?assertEqual({ok, Owner}, ?S:getopt(Socket, otp, controlling_process)),
    ?assertMatch(#{ctrl := Owner}, run(Keeper, fun() -> ?S:info(Socket) end)),
    ok = run(Owner, fun() -> ?S:setopt(Socket, otp, meta, mine) end),
    kill(Keeper),
    ?assertEqual({ok, mine}, ?S:getopt(Socket, otp, meta)),
    kill(Owner),
    wait_until(fun() -> ?S:getopt(Socket, otp, meta) =:= {error, closed} end).

-spec only_the_owner_gives_a_socket_away(config()) -> term().
only_the_owner_gives_a_socket_away(Config) ->
    Keeper = gosocket_test_cluster:actor(home(Config)),
    Socket = run(Keeper, fun() -> unconnected({inet, stream}) end),
    Calls = [start(fun() -> ok end), gosocket_test_cluster:start(home(Config), fun() -> ok end)],
    Dead = [begin ok = result(Call), element(1, Call) end || Call <- Calls],
    Give = fun(Pid) -> ?S:setopt(Socket, otp, controlling_process, Pid) end,
    ?assertEqual([{error, not_owner} || _ <- [self() | Dead]], [Give(Pid) || Pid <- [self() | Dead]]),
    Me = self(),
    ok = run(Keeper, fun() -> ?S:setopt(Socket, otp, controlling_process, Me) end),
    ?assertEqual([{error, einval}, {error, einval}], [Give(Pid) || Pid <- Dead]),
    ok = Give(Keeper),
    ?assertEqual({error, not_owner}, Give(Me)),
    ok = ?S:close(Socket).

-spec accepted_socket_belongs_to_the_remote_acceptor(config()) -> term().
accepted_socket_belongs_to_the_remote_acceptor(Config) ->
    Listener = there(Config, fun() -> listener({inet, stream}) end),
    Client = there(Config, fun() -> unconnected({inet, stream}) end),
    ok = ?S:connect(Client, local_address(Listener)),
    Acceptor = actor(),
    {ok, Socket} = run(Acceptor, fun() -> ?S:accept(Listener) end),
    ?assertEqual({ok, Acceptor}, ?S:getopt(Socket, otp, controlling_process)),
    ok = run(Acceptor, fun() -> ?S:send(Socket, <<"x">>) end),
    kill(Acceptor),
    ?assertEqual({ok, <<"x">>}, ?S:recv(Client, 1, 1000)),
    ?assertEqual({error, closed}, ?S:recv(Client, 0, ?PATIENCE)).

-spec connections_of_acceptors_that_end_at_once_come_once(config()) -> term().
connections_of_acceptors_that_end_at_once_come_once(Config) ->
    Keeper = gosocket_test_cluster:actor(home(Config)),
    Listener = run(Keeper, fun() -> listener({inet, stream}) end),
    Address = local_address(Listener),
    [begin
         Client = run(Keeper, fun() -> unconnected({inet, stream}) end),
         Acceptor = start(fun() -> {ok, Socket} = ?S:accept(Listener), ?S:send(Socket, <<N>>, nowait) end),
         ok = run(Keeper, fun() -> ?S:connect(Client, Address) end),
         ok = result(Acceptor),
         ?assertEqual({ok, <<N>>}, ?S:recv(Client, 1, 1000)),
         ?assertEqual({error, closed}, ?S:recv(Client, 0, ?PATIENCE)),
         ?assertEqual({error, timeout}, run(Keeper, fun() -> ?S:accept(Listener, 0) end))
     end || N <- lists:seq(1, 100)].

%% The answer and what confirms it must not have the loading of a module between them: the acceptor ends as soon as it has its answer.
-spec connection_of_an_acceptor_whose_node_has_to_load_modules_comes_once(config()) -> term().
connection_of_an_acceptor_whose_node_has_to_load_modules_comes_once(_) ->
    Listener = listener({inet, stream}),
    Address = local_address(Listener),
    [begin
         Node = gosocket_test_cluster:start_node(),
         Client = unconnected({inet, stream}),
         ok = ?S:connect(Client, Address),
         {ok, Accepted} = erpc:call(Node, ?S, accept, [Listener]),
         ?assertEqual({error, closed}, ?S:recv(Client, 0, ?PATIENCE)),
         ?assertEqual({error, timeout}, ?S:accept(Listener, 0)),
         ?assertEqual({error, closed}, ?S:sockname(Accepted)),
         ok = ?S:close(Client),
         gosocket_test_cluster:stop_node(Node)
     end || _ <- lists:seq(1, 3)],
    ok = ?S:close(Listener).

%% ---- data ----

-spec readers_of_two_nodes_take_turns(config()) -> term().
readers_of_two_nodes_take_turns(Config) ->
    Home = gosocket_test_cluster:actor(home(Config)),
    {A, B} = run(Home, fun() -> pair({inet, stream}) end),
    Sent = << <<N:32>> || N <- lists:seq(1, 500) >>,
    Here = actor(),
    ok = ?S:send(A, Sent),
    Read = fun() -> ?S:recv(B, 4, 5000) end,
    ?assertEqual(Sent, << <<Data/binary>> || N <- lists:seq(1, 500),
                                             {ok, Data} <- [run(case N rem 2 of 0 -> Home; 1 -> Here end, Read)] >>).

-spec sixty_four_mib_go_out(config()) -> term().
sixty_four_mib_go_out(Config) ->
    {A, B} = there(Config, fun() -> pair({inet, stream}) end),
    Data = binary:copy(random(1 bsl 20), 64),
    Reader = gosocket_test_cluster:start(home(Config), fun() ->
        {ok, Received} = ?S:recv(B, 64 bsl 20),
        crypto_hash(Received)
    end),
    ok = ?S:send(A, Data),
    ?assertEqual(crypto_hash(Data), result(Reader)).

-spec sixteen_mib_come_in(config()) -> term().
sixteen_mib_come_in(Config) ->
    {A, B} = there(Config, fun() -> pair({inet, stream}) end),
    Data = random(16 bsl 20),
    Sender = gosocket_test_cluster:start(home(Config), fun() -> ?S:send(A, Data) end),
    {ok, Received} = ?S:recv(B, 16 bsl 20),
    ok = result(Sender),
    ?assertEqual(crypto_hash(Data), crypto_hash(Received)).

-spec crypto_hash(binary()) -> term().
crypto_hash(Data) -> {byte_size(Data), erlang:md5(Data)}.

-spec large_datagram_goes_both_ways(config()) -> term().
large_datagram_goes_both_ways(Config) ->
    {A, B} = there(Config, fun() -> pair({local, dgram}) end),
    Data = random(150000),
    ok = ?S:send(A, Data),
    ?assertEqual({ok, Data}, ?S:recv(B, 200000, 1000)).

-spec thousand_calls_wait_at_the_same_time(config()) -> term().
thousand_calls_wait_at_the_same_time(Config) ->
    Pairs = there(Config, fun() -> [pair({inet, stream}) || _ <- lists:seq(1, 20)] end),
    Calls = [start(fun() -> ?S:recv(B, 4) end) || {_, B} <- Pairs, _ <- lists:seq(1, 50)],
    [await_parked(B, num_readers, 50) || {_, B} <- Pairs],
    [ok = ?S:send(A, << <<N:32>> || N <- lists:seq(1, 50) >>) || {A, _} <- Pairs],
    Results = lists:sort([N || Call <- Calls, {ok, <<N:32>>} <- [result(Call)]]),
    ?assertEqual(lists:sort([N || _ <- Pairs, N <- lists:seq(1, 50)]), Results).

%% ---- nodes ----

-spec handle_of_a_third_node_works(config()) -> term().
handle_of_a_third_node_works(Config) ->
    Third = start_node(),
    {A, B} = there(Config, fun() -> pair({inet, stream}) end),
    Call = gosocket_test_cluster:start(Third, fun() -> ?S:recv(B, 5, 5000) end),
    ok = ?S:send(A, <<"three">>),
    ?assertEqual({ok, <<"three">>}, result(Call)),
    stop_node(Third).

-spec handle_comes_home_as_itself(config()) -> term().
handle_comes_home_as_itself(Config) ->
    {A, B} = pair({inet, stream}),
    Same = there(Config, fun() -> A end),
    ?assertEqual(A, Same),
    ok = ?S:send(Same, <<"x">>),
    ?assertEqual({ok, <<"x">>}, there(Config, fun() -> ?S:recv(B, 1) end)),
    gosocket_test_net:close({A, B}).

%% The timer that ends it is brought forward.
-spec idle_session_ends_and_the_next_call_starts_another(config()) -> term().
idle_session_ends_and_the_next_call_starts_another(Config) ->
    Home = home(Config),
    Socket = there(Config, fun() -> unconnected({inet, stream}) end),
    {ok, _} = ?S:sockname(Socket),
    {ok, Remote} = gosocket_nodes:remote(Home),
    Proxy = proxy(Home),
    Monitor = monitor(process, Proxy),
    [Remote ! {timeout, make_ref(), idle} || _ <- [1, 2]],
    receive {'DOWN', Monitor, process, Proxy, {shutdown, detached}} -> ok after ?PATIENCE -> ct:fail(goes_on) end,
    {ok, _} = ?S:sockname(Socket),
    ?assertNotEqual(Proxy, proxy(Home)),
    ?assertEqual({ok, Remote}, gosocket_nodes:remote(Home)).

-spec proxy(node()) -> pid().
proxy(Home) ->
    [{_, Proxy}] = erpc:call(Home, ets, lookup, [gosocket_nodes, {proxy, node()}]),
    Proxy.

-spec hidden_node_is_as_good_as_any(config()) -> term().
hidden_node_is_as_good_as_any(_) ->
    Hidden = start_node(["-hidden"]),
    Keeper = gosocket_test_cluster:actor(Hidden),
    {A, B} = run(Keeper, fun() -> pair({inet, stream}) end),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 1, 1000)),
    stop_node(Hidden),
    ?assertEqual({error, closed}, ?S:recv(B)).

-spec node_that_does_not_run_the_application_says_closed(config()) -> term().
node_that_does_not_run_the_application_says_closed(_) ->
    Node = start_node(),
    Keeper = gosocket_test_cluster:actor(Node),
    Socket = run(Keeper, fun() -> unconnected({inet, stream}) end),
    {ok, _} = ?S:sockname(Socket),
    ok = run(Keeper, fun() -> application:stop(?S) end),
    says_closed(Socket),
    New = run(Keeper, fun() -> unconnected({inet, stream}) end),
    ?assertMatch({ok, _}, ?S:sockname(New)),
    stop_node(Node).

-spec caller_that_does_not_run_the_application_starts_it(config()) -> term().
caller_that_does_not_run_the_application_starts_it(_) ->
    {A, B} = pair({inet, stream}),
    Node = start_node(),
    ?assertEqual(undefined, erpc:call(Node, erlang, whereis, [gosocket_sup])),
    ok = erpc:call(Node, ?S, send, [A, <<"x">>]),
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 1, 1000)),
    %% and no helper
    ?assertEqual(none, erpc:call(Node, persistent_term, get, [{gosocket_lane, 0}, none])),
    stop_node(Node),
    gosocket_test_net:close({A, B}).

-spec node_without_the_application_says_closed(config()) -> term().
node_without_the_application_says_closed(_) ->
    Stranger = gosocket_test_cluster:start_stranger(),
    says_closed({'$socket', erpc:call(Stranger, erlang, make_ref, [])}),
    %% it can own a socket all the same
    Pid = spawn(Stranger, timer, sleep, [infinity]),
    Socket = unconnected({inet, stream}),
    ok = ?S:setopt(Socket, otp, controlling_process, Pid),
    ?assertEqual({ok, Pid}, ?S:getopt(Socket, otp, controlling_process)),
    stop_node(Stranger),
    wait_until(fun() -> ?S:sockname(Socket) =:= {error, closed} end).

-spec node_of_another_release_is_refused(config()) -> term().
node_of_another_release_is_refused(Config) ->
    {gosocket_nodes, home(Config)} ! {attach, self(), later},
    receive {refused, Version} -> ?assert(is_integer(Version)) after ?PATIENCE -> ct:fail(no_answer) end.

-spec unreachable_node_says_closed(config()) -> term().
unreachable_node_says_closed(_) ->
    Gone = start_node(),
    Ref = erpc:call(Gone, erlang, make_ref, []),
    stop_node(Gone),
    says_closed({'$socket', Ref}).

%% Sockets of the other node, which last as long as the case.
-spec there(config(), fun(() -> Result)) -> Result.
there(Config, Fun) ->
    run(gosocket_test_cluster:actor(home(Config)), Fun).
