%% Handles of all lanes look alike: those of a lane with a name work on other nodes, too.
-module(gosocket_lanes_remote_SUITE).

-export([
    every_node_uses_sockets_of_all_lanes/1,
    death_of_a_lane_ends_calls_of_other_nodes_there_only/1,
    whose_a_descriptor_is_is_told_at_home/1
]).

-define(ONE_LANE, [whose_a_descriptor_is_is_told_at_home]).
-include("gosocket_test.hrl").

-import(gosocket_test_lib, [start/1, result/1, await_parked/3, signal/2, unique/0]).
-import(gosocket_test_net, [close/1, pair/1]).
-import(gosocket_test_lanes, [pair_in/1]).

-define(ABSENT, "the reference knows no lanes").
-define(WITH_HOME, true).
-include("gosocket_test_nodes.hrl").

%% The other node, a lane with a name here, and a pair in that and one in the default lane.
-spec with_pairs(config(), fun((fun((fun(() -> Result)) -> Result), atom(), {_, _}, {_, _}) -> term())) -> ok.
with_pairs(Config, Test) ->
    Node = proplists:get_value(home, Config),
    Name = list_to_atom("lane" ++ unique()),
    {ok, _} = gosocket_lanes:start(Name, #{}),
    Ours = pair({inet, stream}),
    Theirs = pair_in(Name),
    _ = Test(fun(Fun) -> erpc:call(Node, Fun) end, Name, Theirs, Ours),
    close(Ours),
    ok = gosocket_lanes:stop(Name).

%% In one lane and in another, by one process there: it goes from one to the other and back.
-spec every_node_uses_sockets_of_all_lanes(config()) -> term().
every_node_uses_sockets_of_all_lanes(Config) ->
    with_pairs(Config, fun(There, _Name, {A, B}, {C, D}) ->
        Large = binary:copy(<<"large">>, 100000),
        ?assertEqual([ok, ok, {ok, <<"a">>}, {ok, <<"c">>}, ok, ok, {ok, <<"bb">>}, {ok, <<"dd">>}],
                     There(fun() -> [?S:send(A, <<"a">>), ?S:send(C, <<"c">>), ?S:recv(B, 1), ?S:recv(D, 1),
                                     ?S:send(B, <<"bb">>), ?S:send(D, <<"dd">>), ?S:recv(A, 2), ?S:recv(C, 2)] end)),
        Reader = start(fun() -> ?S:recv(B, byte_size(Large)) end),
        ?assertEqual(ok, There(fun() -> ?S:send(A, Large) end)),
        ?assertEqual({ok, Large}, result(Reader)),
        %% owners of other nodes
        Owner = There(fun() -> spawn(fun() -> receive stop -> ok end end) end),
        ok = ?S:setopt(A, otp, controlling_process, Owner),
        exit(Owner, kill),
        ?assertEqual({error, closed}, ?S:recv(B, 1)),
        ok = ?S:send(C, <<"still">>),
        ?assertEqual({ok, <<"still">>}, There(fun() -> ?S:recv(D, 5) end))
    end).

-spec death_of_a_lane_ends_calls_of_other_nodes_there_only(config()) -> term().
death_of_a_lane_ends_calls_of_other_nodes_there_only(Config) ->
    with_pairs(Config, fun(There, Name, {A, B}, {C, D}) ->
        Ends = start(fun() -> There(fun() -> ?S:recv(B) end) end),
        Lives = start(fun() -> There(fun() -> ?S:recv(D) end) end),
        [await_parked(Socket, num_readers, 1) || Socket <- [B, D]],
        #{helper := Helper} = gosocket_lanes:info(Name),
        signal("KILL", Helper),
        ?assertEqual({error, closed}, result(Ends)),
        ok = ?S:send(C, <<"lives">>),
        ?assertEqual({ok, <<"lives">>}, result(Lives)),
        ?assertEqual({error, closed}, There(fun() -> ?S:sockname(A) end)),
        Again = {E, _} = pair_in(Name),
        ?assertMatch({ok, _}, There(fun() -> ?S:sockname(E) end)),
        close(Again)
    end).

-spec whose_a_descriptor_is_is_told_at_home(config()) -> term().
whose_a_descriptor_is_is_told_at_home(Config) ->
    with_pairs(Config, fun(There, Name, {A, _}, {C, _}) ->
        {ok, FD} = ?S:getopt(A, otp, fd),
        {ok, Local} = ?S:open(local, dgram, default, #{lane => Name}),
        Send = fun(Said) ->
            There(fun() ->
                ?S:sendmsg(Local, #{iov => [<<"x">>], ctrl => [Said#{level => socket, type => rights, data => <<FD:32/native>>}]})
            end)
        end,
        ?assertEqual([{error, enotconn}, {error, enotconn}, {error, enotconn}, {error, einval}, {error, einval}, {error, einval}],
                     [Send(Said) || Said <- [#{}, #{lane => Name}, #{lane => A}, #{lane => default}, #{lane => C}, #{lane => nobody}]]),
        %% a number of this node's helpers means nothing to those there
        ?assertEqual({error, einval}, There(fun() -> ?S:open(FD, #{lane => A}) end)),
        ?assertEqual({error, {no_lane, Name}}, There(fun() -> ?S:open(inet, stream, tcp, #{lane => Name}) end)),
        close([Local])
    end).
