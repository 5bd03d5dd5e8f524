%% Calls between nodes when something dies, stops or is cut off: everybody who waits has an answer, and nothing is lost.
-module(gosocket_remote_fault_SUITE).

-export([
    killed_node_ends_every_blocking_call/1,
    killed_helper_ends_every_blocking_call_of_another_node/1,
    killed_lane_ends_every_blocking_call_of_another_node/1,
    killed_proxy_ends_every_blocking_call/1,
    net_split_ends_every_blocking_call/1,
    killed_node_aborts_every_select_once/1,
    killed_helper_aborts_every_select_of_another_node_once/1,
    killed_proxy_aborts_every_select_once/1,
    killed_caller_side_aborts_every_select_once/1,
    net_split_aborts_every_select_once_and_leaves_the_socket_usable/1,
    fired_and_cancelled_selects_are_not_aborted/1,
    nothing_comes_after_a_cancel_that_races_with_the_death_of_the_lane/1,
    parts_received_are_returned_when_the_node_is_killed/1,
    node_that_goes_down_closes_what_its_processes_own/1,
    bytes_survive_a_remote_reader_killed_before_delivery/1,
    bytes_survive_the_node_of_their_reader/1,
    bytes_survive_the_proxy_of_their_reader/1,
    connection_survives_the_node_of_its_acceptor/1,
    local_reader_waits_for_what_is_on_its_way_no_longer_than_its_timeout/1,
    select_behind_what_is_on_its_way_fires_when_that_came_back/1,
    dead_callers_leave_nothing_waiting/1,
    stopped_node_slows_nobody_else/1,
    stopped_node_holds_up_a_large_recv_not_the_memory_of_its_home/1,
    stopped_node_that_takes_too_little_counts_as_gone/1,
    reload_of_the_waiting_code_kills_no_remote_caller/1,
    reload_at_home_keeps_owners_watched/1,
    node_that_gets_a_name_closes_its_sockets_and_goes_on/1
]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [start/1, result/1, actor/0, run/2, kill/1, elapsed/1, wait_until/1, await_parked/3, await_select/2,
                            await_abort/3, no_messages/1, random/1, lane/0, signal/2]).
-import(gosocket_test_net, [pair/1, small_pair/1, listener/1, unconnected/1, local_address/1]).
-import(gosocket_test_cluster, [start_node/0, stop_node/1, kill_node/1, signal_node/2]).

-define(ABSENT, "the reference knows its own node only").
-include("gosocket_test_nodes.hrl").

%% ---- blocking calls: made at Node, waiting here ----

-spec killed_node_ends_every_blocking_call(config()) -> term().
killed_node_ends_every_blocking_call(_) ->
    ends_every_blocking_call(fun gosocket_test_cluster:kill_node/1).

-spec killed_helper_ends_every_blocking_call_of_another_node(config()) -> term().
killed_helper_ends_every_blocking_call_of_another_node(_) ->
    ends_every_blocking_call(fun(Node) -> kill_helper(Node), works_again(Node), stop_node(Node) end).

-spec killed_lane_ends_every_blocking_call_of_another_node(config()) -> term().
killed_lane_ends_every_blocking_call_of_another_node(_) ->
    ends_every_blocking_call(fun(Node) ->
        true = exit(erpc:call(Node, gosocket_test_lib, lane, []), kill),
        works_again(Node),
        stop_node(Node)
    end).

-spec killed_proxy_ends_every_blocking_call(config()) -> term().
killed_proxy_ends_every_blocking_call(_) ->
    ends_every_blocking_call(fun(Node) -> true = exit(proxy(Node), kill), works_again(Node), stop_node(Node) end).

-spec net_split_ends_every_blocking_call(config()) -> term().
net_split_ends_every_blocking_call(_) ->
    ends_every_blocking_call(fun(Node) -> split(Node), works_again(Node), stop_node(Node) end).

-spec ends_every_blocking_call(fun((node()) -> term())) -> ok.
ends_every_blocking_call(Break) ->
    Node = start_node(),
    Keeper = gosocket_test_cluster:actor(Node),
    Calls = [{Name, gosocket_test_blocked:start(run(Keeper, fun() -> gosocket_test_blocked:make(Name) end), Timeout)}
             || Name <- gosocket_test_blocked:names(), Timeout <- [infinity, 600000]],
    Break(Node),
    Results = [{Name, gosocket_test_blocked:outcome(Name, result(Call))} || {Name, Call} <- Calls],
    ?assertEqual([{Name, after_death(Name)} || {Name, _} <- Calls], Results).

%% What had been read for a recv was still in the helper.
-spec after_death(gosocket_test_blocked:name()) -> {error, term()}.
after_death(recv_part) -> {error, closed};
after_death(Name) -> gosocket_test_blocked:error(Name, closed).

-spec kill_helper(node()) -> ok.
kill_helper(Node) ->
    Lane = erpc:call(Node, gosocket_test_lib, lane, []),
    Monitor = monitor(process, Lane),
    signal("KILL", erpc:call(Node, gosocket_test_lib, helper_os_pid, [])),
    receive {'DOWN', Monitor, process, Lane, _} -> ok end.

-spec split(node()) -> ok.
split(Node) ->
    true = erlang:disconnect_node(Node),
    ok.

-spec works_again(node()) -> ok.
works_again(Node) ->
    Keeper = gosocket_test_cluster:actor(Node),
    {A, B} = run(Keeper, fun() -> pair({inet, stream}) end),
    ok = ?S:send(A, <<"again">>),
    ?assertEqual({ok, <<"again">>}, ?S:recv(B, 5, ?PATIENCE)).

-spec proxy(node()) -> pid().
proxy(Node) ->
    [{_, Proxy}] = erpc:call(Node, ets, lookup, [gosocket_nodes, {proxy, node()}]),
    Proxy.

%% ---- selects ----

-spec killed_node_aborts_every_select_once(config()) -> term().
killed_node_aborts_every_select_once(_) ->
    aborts_every_select_once(fun gosocket_test_cluster:kill_node/1).

-spec killed_helper_aborts_every_select_of_another_node_once(config()) -> term().
killed_helper_aborts_every_select_of_another_node_once(_) ->
    aborts_every_select_once(fun(Node) -> kill_helper(Node), works_again(Node), stop_node(Node) end).

-spec killed_proxy_aborts_every_select_once(config()) -> term().
killed_proxy_aborts_every_select_once(_) ->
    aborts_every_select_once(fun(Node) -> true = exit(proxy(Node), kill), works_again(Node), stop_node(Node) end).

-spec killed_caller_side_aborts_every_select_once(config()) -> term().
killed_caller_side_aborts_every_select_once(_) ->
    aborts_every_select_once(fun(Node) ->
        {ok, Remote} = gosocket_nodes:remote(Node),
        true = exit(Remote, kill),
        wait_until(fun() -> gosocket_nodes:remote(Node) =/= {ok, Remote} end),
        works_again(Node),
        stop_node(Node)
    end).

-spec aborts_every_select_once(fun((node()) -> term())) -> ok.
aborts_every_select_once(Break) ->
    Node = start_node(),
    Keeper = gosocket_test_cluster:actor(Node),
    Situations = [run(Keeper, fun() -> gosocket_test_blocked:make(Name) end) || Name <- gosocket_test_blocked:select_calls()],
    Selects = [{Socket, gosocket_test_blocked:select(Situation)} || #{socket := Socket} = Situation <- Situations],
    Break(Node),
    [await_abort(Socket, SelectInfo, closed) || {Socket, SelectInfo} <- Selects],
    nothing_more().

-spec nothing_more() -> ok.
nothing_more() ->
    ?assertEqual(none, receive {'$socket', _, _, _} = Message -> Message after 0 -> none end).

-spec net_split_aborts_every_select_once_and_leaves_the_socket_usable(config()) -> term().
net_split_aborts_every_select_once_and_leaves_the_socket_usable(_) ->
    Node = start_node(),
    Owner = erpc:call(Node, fun() -> spawn(fun() -> owner(none) end) end),
    Owner ! {self(), fun() -> pair({inet, stream}) end},
    {A, B} = receive {Owner, Pair} -> Pair end,
    {select, Info} = ?S:recv(B, 0, nowait),
    split(Node),
    await_abort(B, Info, closed),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 0, nowait)),
    nothing_more(),
    exit(Owner, kill),
    wait_until(fun() -> ?S:sockname(A) =:= {error, closed} end),
    stop_node(Node).

%% Stays through a split.
-spec owner(term()) -> no_return().
owner(Kept) ->
    receive
        {Pid, Fun} ->
            Result = Fun(),
            Pid ! {self(), Result},
            owner({Kept, Result})
    end.

-spec fired_and_cancelled_selects_are_not_aborted(config()) -> term().
fired_and_cancelled_selects_are_not_aborted(_) ->
    Node = start_node(),
    Keeper = gosocket_test_cluster:actor(Node),
    {A, B} = run(Keeper, fun() -> pair({inet, stream}) end),
    {C, D} = run(Keeper, fun() -> pair({inet, stream}) end),
    {select, Fired} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"x">>),
    await_select(B, Fired),
    {select, Cancelled} = ?S:recv(D, 0, nowait),
    ok = ?S:cancel(D, Cancelled),
    {select, Armed} = ?S:recv(C, 0, nowait),
    kill_node(Node),
    await_abort(C, Armed, closed),
    nothing_more().

-spec nothing_comes_after_a_cancel_that_races_with_the_death_of_the_lane(config()) -> term().
nothing_comes_after_a_cancel_that_races_with_the_death_of_the_lane(_) ->
    Node = start_node(),
    Outcomes = [begin
                    Keeper = gosocket_test_cluster:actor(Node),
                    {_, B} = run(Keeper, fun() -> pair({inet, stream}) end),
                    {select, Info} = ?S:recv(B, 0, nowait),
                    Lane = erpc:call(Node, gosocket_test_lib, lane, []),
                    Killer = start(fun() -> [erlang:yield() || _ <- lists:seq(1, N * 20)], exit(Lane, kill) end),
                    Cancelled = ?S:cancel(B, Info),
                    _ = result(Killer),
                    works_again(Node),
                    {nothing_more(), Cancelled}
                end || N <- lists:seq(1, 30)],
    ct:log("~p", [Outcomes]),
    ?assertEqual([], lists:usort(Outcomes) -- [{ok, ok}, {ok, {error, closed}}]),
    stop_node(Node).

%% ---- data ----

-spec parts_received_are_returned_when_the_node_is_killed(config()) -> term().
parts_received_are_returned_when_the_node_is_killed(_) ->
    Node = start_node(),
    Keeper = gosocket_test_cluster:actor(Node),
    {A, B} = run(Keeper, fun() -> pair({inet, stream}) end),
    Data = random(3 bsl 20),
    Reader = start(fun() -> ?S:recv(B, 8 bsl 20) end),
    ok = ?S:send(A, Data),
    %% what of it is here
    wait_until(fun() ->
        {binary, Binaries} = process_info(element(1, Reader), binary),
        lists:sum([Size || {_, Size, _} <- Binaries]) > 1 bsl 20
    end),
    kill_node(Node),
    {error, {closed, Part}} = result(Reader),
    ?assert(byte_size(Part) > 1 bsl 20),
    ?assertEqual(binary_part(Data, 0, byte_size(Part)), Part).

-spec node_that_goes_down_closes_what_its_processes_own(config()) -> term().
node_that_goes_down_closes_what_its_processes_own(_) ->
    Node = start_node(),
    Owner = gosocket_test_cluster:actor(Node),
    Listener = listener({inet, stream}),
    Clients = [begin
                   Client = unconnected({inet, stream}),
                   ok = ?S:connect(Client, local_address(Listener)),
                   {ok, _} = run(Owner, fun() -> ?S:accept(Listener) end),
                   Client
               end || _ <- [1, 2, 3]],
    Given = unconnected({inet, stream}),
    ok = ?S:setopt(Given, otp, controlling_process, Owner),
    kill_node(Node),
    [?assertEqual({error, closed}, ?S:recv(Client, 0, ?PATIENCE)) || Client <- Clients],
    wait_until(fun() -> ?S:sockname(Given) =:= {error, closed} end),
    ?assertMatch(#{ctrl := undefined}, ?S:info(Given)),
    gosocket_test_net:close([Listener | Clients]).

%% The process that tells whether a result has reached somebody stands still while that one dies.
-spec bytes_survive_a_remote_reader_killed_before_delivery(config()) -> term().
bytes_survive_a_remote_reader_killed_before_delivery(_) ->
    Node = start_node(),
    {A, B} = pair({inet, stream}),
    {Reader, _} = gosocket_test_cluster:start(Node, fun() -> ?S:recv(B, 4) end),
    await_parked(B, num_readers, 1),
    {ok, Remote} = erpc:call(Node, gosocket_nodes, remote, [node()]),
    Suspender = erpc:call(Node, fun() -> suspender(Remote) end),
    ok = ?S:send(A, <<"abcdefgh">>),
    wait_until(fun() -> erpc:call(Node, erlang, process_info, [Remote, message_queue_len]) =/= {message_queue_len, 0} end),
    true = exit(Reader, kill),
    Local = start(fun() -> ?S:recv(B, 8) end),
    wait_until(fun() -> not erpc:call(Node, erlang, is_process_alive, [Reader]) end),
    true = exit(Suspender, kill),
    ?assertEqual({ok, <<"abcdefgh">>}, result(Local)),
    stop_node(Node),
    gosocket_test_net:close({A, B}).

%% Who is suspended goes on when this one ends.
-spec suspender(pid()) -> pid().
suspender(Pid) ->
    Parent = self(),
    Suspender = spawn(fun() -> true = erlang:suspend_process(Pid), Parent ! {self(), done}, receive after infinity -> ok end end),
    receive {Suspender, done} -> Suspender end.

%% A node that is stopped has confirmed nothing when it is killed.
-spec bytes_survive_the_node_of_their_reader(config()) -> term().
bytes_survive_the_node_of_their_reader(_) ->
    {Node, A, B} = with_stopped_reader(),
    ok = ?S:send(A, <<"abcdefgh">>),
    Local = start(fun() -> ?S:recv(B, 8) end),
    kill_node(Node),
    ?assertEqual({ok, <<"abcdefgh">>}, result(Local)),
    gosocket_test_net:close({A, B}).

-spec bytes_survive_the_proxy_of_their_reader(config()) -> term().
bytes_survive_the_proxy_of_their_reader(_) ->
    {Node, A, B} = with_stopped_reader(),
    ok = ?S:send(A, <<"abcdefgh">>),
    Local = start(fun() -> ?S:recv(B, 8) end),
    [{_, Proxy}] = ets:lookup(gosocket_nodes, {proxy, Node}),
    true = exit(Proxy, kill),
    ?assertEqual({ok, <<"abcdefgh">>}, result(Local)),
    kill_node(Node),
    gosocket_test_net:close({A, B}).

%% A reader waits for four bytes at a node that is stopped.
-spec with_stopped_reader() -> {node(), gosocket_test_lib:socket(), gosocket_test_lib:socket()}.
with_stopped_reader() ->
    Node = start_node(),
    {A, B} = pair({inet, stream}),
    _ = gosocket_test_cluster:start(Node, fun() -> ?S:recv(B, 4) end),
    await_parked(B, num_readers, 1),
    signal_node(Node, "STOP"),
    {Node, A, B}.

-spec connection_survives_the_node_of_its_acceptor(config()) -> term().
connection_survives_the_node_of_its_acceptor(_) ->
    Node = start_node(),
    Listener = listener({inet, stream}),
    _ = gosocket_test_cluster:start(Node, fun() -> ?S:accept(Listener) end),
    await_parked(Listener, num_acceptors, 1),
    signal_node(Node, "STOP"),
    Client = unconnected({inet, stream}),
    ok = ?S:connect(Client, local_address(Listener)),
    await_parked(Listener, num_acceptors, 0),
    Local = start(fun() -> {ok, S} = ?S:accept(Listener), ?S:send(S, <<"again">>) end),
    kill_node(Node),
    ok = result(Local),
    ?assertEqual({ok, <<"again">>}, ?S:recv(Client, 5, 1000)),
    gosocket_test_net:close({Listener, Client}).

-spec local_reader_waits_for_what_is_on_its_way_no_longer_than_its_timeout(config()) -> term().
local_reader_waits_for_what_is_on_its_way_no_longer_than_its_timeout(_) ->
    {Node, A, B} = with_stopped_reader(),
    ok = ?S:send(A, <<"abcdefgh">>),
    ?assertEqual({error, timeout}, ?S:recv(B, 4, 0)),
    {Elapsed, {error, timeout}} = elapsed(fun() -> ?S:recv(B, 4, 100) end),
    ?assert(Elapsed >= 100),
    Local = start(fun() -> ?S:recv(B, 4) end),
    signal_node(Node, "CONT"),
    ?assertEqual({ok, <<"efgh">>}, result(Local)),
    stop_node(Node),
    gosocket_test_net:close({A, B}).

-spec select_behind_what_is_on_its_way_fires_when_that_came_back(config()) -> term().
select_behind_what_is_on_its_way_fires_when_that_came_back(_) ->
    {Node, A, B} = with_stopped_reader(),
    ok = ?S:send(A, <<"abcdefgh">>),
    {select, Info} = ?S:recv(B, 8, nowait),
    no_messages(B),
    kill_node(Node),
    await_select(B, Info),
    ?assertEqual({ok, <<"abcdefgh">>}, ?S:recv(B, 8, nowait)),
    gosocket_test_net:close({A, B}).

-spec dead_callers_leave_nothing_waiting(config()) -> term().
dead_callers_leave_nothing_waiting(_) ->
    Node = start_node(),
    {A, B} = pair({inet, stream}),
    Readers = [gosocket_test_cluster:start(Node, fun() -> ?S:recv(B, 4) end) || _ <- lists:seq(1, 50)],
    await_parked(B, num_readers, 50),
    [exit(Pid, kill) || {Pid, _} <- Readers],
    await_parked(B, num_readers, 0),
    Calls = fun() -> length([Id || {Id, _} <- element(2, process_info(lane(), dictionary)), is_integer(Id)]) end,
    wait_until(fun() -> Calls() =:= 0 end),
    [{_, Proxy}] = ets:lookup(gosocket_nodes, {proxy, Node}),
    wait_until(fun() -> #{} =:= element(3, sys:get_state(Proxy)) end),
    ok = ?S:send(A, <<"abcd">>),
    ?assertEqual({ok, <<"abcd">>}, ?S:recv(B, 4, 1000)),
    stop_node(Node),
    gosocket_test_net:close({A, B}).

%% ---- stopped ----

-spec stopped_node_slows_nobody_else(config()) -> term().
stopped_node_slows_nobody_else(_) ->
    [Stopped, Other] = [start_node(), start_node()],
    Pairs = [pair({inet, stream}) || _ <- lists:seq(1, 20)],
    Blocked = [gosocket_test_cluster:start(Stopped, fun() -> ?S:recv(B, 1 bsl 20) end) || {_, B} <- Pairs],
    [await_parked(B, num_readers, 1) || {_, B} <- Pairs],
    {C, D} = pair({inet, stream}),
    ok = erpc:call(Other, ?S, setopt, [C, tcp, nodelay, true]),
    signal_node(Stopped, "STOP"),
    %% more than a connection takes, so that who sends there without care is suspended
    Data = random(1 bsl 20),
    Senders = [start(fun() -> ?S:send(A, Data) end) || {A, _} <- Pairs],
    Local = [elapsed(fun() -> exchange(C, D) end) || _ <- lists:seq(1, 200)],
    Remote = [elapsed(fun() -> erpc:call(Other, fun() -> exchange(C, D) end) end) || _ <- lists:seq(1, 200)],
    ?assertEqual([ok], lists:usort([Result || {_, Result} <- Local ++ Remote])),
    ct:log("longest: ~w ms local, ~w ms of another node", [lists:max([T || {T, _} <- List]) || List <- [Local, Remote]]),
    [ok = result(Sender) || Sender <- Senders],
    signal_node(Stopped, "CONT"),
    ?assertEqual([{ok, Data}], lists:usort([result(Call) || Call <- Blocked])),
    [stop_node(Node) || Node <- [Stopped, Other]],
    gosocket_test_net:close({C, D}),
    [gosocket_test_net:close(Pair) || Pair <- Pairs].

-spec exchange(gosocket_test_lib:socket(), gosocket_test_lib:socket()) -> ok.
exchange(C, D) ->
    ok = ?S:send(C, <<"ping">>),
    {ok, <<"ping">>} = ?S:recv(D, 4, 2000),
    ok.

-spec stopped_node_holds_up_a_large_recv_not_the_memory_of_its_home(config()) -> term().
stopped_node_holds_up_a_large_recv_not_the_memory_of_its_home(_) ->
    Node = start_node(),
    {A, B} = small_pair({inet, stream}),
    Data = random(16 bsl 20),
    Reader = gosocket_test_cluster:start(Node, fun() -> {ok, Got} = ?S:recv(B, 16 bsl 20), erlang:md5(Got) end),
    await_parked(B, num_readers, 1),
    signal_node(Node, "STOP"),
    %% two parts are under way, and the kernel has its share
    {error, {timeout, Remaining}} = ?S:send(A, Data, 2000),
    ?assert(Remaining > 8 bsl 20),
    signal_node(Node, "CONT"),
    ok = ?S:send(A, binary_part(Data, byte_size(Data), -Remaining)),
    ?assertEqual(erlang:md5(Data), result(Reader)),
    stop_node(Node),
    gosocket_test_net:close({A, B}).

-spec stopped_node_that_takes_too_little_counts_as_gone(config()) -> term().
stopped_node_that_takes_too_little_counts_as_gone(_) ->
    Node = start_node(),
    Pairs = [pair({inet, stream}) || _ <- lists:seq(1, 80)],
    Blocked = [gosocket_test_cluster:start(Node, fun() -> ?S:recv(B, 1 bsl 20) end) || {_, B} <- Pairs],
    [await_parked(B, num_readers, 1) || {_, B} <- Pairs],
    [{_, Proxy}] = ets:lookup(gosocket_nodes, {proxy, Node}),
    Monitor = monitor(process, Proxy),
    signal_node(Node, "STOP"),
    Data = random(1 bsl 20),
    Senders = [start(fun() -> ?S:send(A, Data) end) || {A, _} <- Pairs],
    receive {'DOWN', Monitor, process, Proxy, Reason} -> ?assertEqual({shutdown, too_slow}, Reason) end,
    [ok = result(Sender) || Sender <- Senders],
    ?assertEqual([{ok, Data}], lists:usort([?S:recv(B, 1 bsl 20, ?PATIENCE) || {_, B} <- Pairs])),
    signal_node(Node, "CONT"),
    %% what was under way came twice then: nobody knows of a node that does not answer whether it has it
    ?assertEqual([], [Result || Call <- Blocked, Result <- [result(Call)], Result =/= {error, closed}, Result =/= {ok, Data}]),
    stop_node(Node),
    [gosocket_test_net:close(Pair) || Pair <- Pairs].

%% ---- reload ----

-spec reload_of_the_waiting_code_kills_no_remote_caller(config()) -> term().
reload_of_the_waiting_code_kills_no_remote_caller(_) ->
    Node = start_node(),
    Keeper = gosocket_test_cluster:actor(Node),
    {A, B} = run(Keeper, fun() -> pair({inet, stream}) end),
    Readers = [start(fun() -> ?S:recv(B, 1) end) || _ <- lists:seq(1, 20)],
    await_parked(B, num_readers, 20),
    [begin
         %% what another suite left
         _ = code:purge(Module),
         {module, Module} = code:load_file(Module),
         _ = code:purge(Module)
     end || _ <- [1, 2], Module <- [gosocket_wait, gosocket_remote]],
    [{module, gosocket_wait} = erpc:call(Node, fun() -> code:purge(gosocket_wait), code:load_file(gosocket_wait) end)
     || _ <- [1, 2]],
    ok = ?S:send(A, binary:copy(<<"x">>, 20)),
    ?assertEqual([{ok, <<"x">>}], lists:usort([result(Reader) || Reader <- Readers])),
    stop_node(Node).

-spec reload_at_home_keeps_owners_watched(config()) -> term().
reload_at_home_keeps_owners_watched(_) ->
    Node = start_node(),
    Owner = gosocket_test_cluster:actor(Node),
    Socket = unconnected({inet, stream}),
    ok = ?S:setopt(Socket, otp, controlling_process, Owner),
    [begin
         _ = code:purge(Module),
         {module, Module} = code:load_file(Module)
     end || _ <- [1, 2, 3], Module <- [gosocket_far, gosocket_proxy, gosocket_nodes]],
    ?assertEqual({ok, Owner}, ?S:getopt(Socket, otp, controlling_process)),
    exit(Owner, kill),
    wait_until(fun() -> ?S:sockname(Socket) =:= {error, closed} end),
    stop_node(Node).

%% ---- names ----

%% Pids are others then: nobody could say to the helper that the owner of a socket is dead.
-spec node_that_gets_a_name_closes_its_sockets_and_goes_on(config()) -> term().
node_that_gets_a_name_closes_its_sockets_and_goes_on(_) ->
    {Result, _} = gosocket_test_node:wait(gosocket_test_node:start(gosocket_test_fresh, get_a_name, [], [])),
    ?assertEqual({returned, {{ok, <<"new">>}, {error, closed}, abort, {error, closed}}}, Result).
