%% Whatever a call with the handle of another node carries, only its caller hears of it: not those who carry calls between
%% the two nodes, not lane and helper of either.
-module(gosocket_remote_sweep_SUITE).

-export([
    hostile_terms_on_sockets_of_another_node/1,
    opaque_terms_come_back_from_another_node_as_they_went/1,
    what_no_frame_holds_is_the_callers_error_at_another_node/1,
    many_large_results_at_once_end_nobodys_calls/1
]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [start/1, result/1, result/2, await_parked/3, random/1]).
-import(gosocket_test_net, [close/1]).

-define(ABSENT, "the reference knows its own node only").
-define(WITH_HOME, true).
-include("gosocket_test_nodes.hrl").

%% Both kinds at the same time: most of it is waiting for answers.
-spec hostile_terms_on_sockets_of_another_node(config()) -> term().
hostile_terms_on_sockets_of_another_node(Config) ->
    World = world(Config),
    gosocket_test_sweep:judged(World, fun(Hostile) ->
        Sweeps = [start(fun() ->
            gosocket_test_sweep:sweep(World, Kind, fun(Size, N) -> is_due(Size, N, Turn) end, Hostile)
        end) || {Turn, Kind} <- [{0, {inet, dgram}}, {1, {inet, stream}}]],
        lists:append([result(Sweep, 60000) || Sweep <- Sweeps])
    end).

%% Each place has each small term once, on one of the two kinds: at home each has it on all. Large ones, which take their
%% time to the other node besides, come to some.
-spec is_due(gosocket_test_terms:size(), pos_integer(), 0..1) -> boolean().
is_due(small, N, Turn) -> N rem 2 =:= Turn;
is_due(large, N, Turn) -> N rem 24 =:= Turn;
is_due(few, N, Turn) -> N rem 48 =:= Turn.

-spec world(config()) -> gosocket_test_sweep:world().
world(Config) ->
    Home = home(Config),
    #{pair => fun(Kind) -> pair(Home, Kind) end, nodes => [node(), Home]}.

%% Sockets of the other node that belong to this process: a socket's owner may do most with it.
-spec pair(node(), gosocket_test_net:kind()) -> {gosocket_test_lib:socket(), gosocket_test_lib:socket()}.
pair(Home, Kind) ->
    Owner = self(),
    result(gosocket_test_cluster:start(Home, fun() ->
        {A, B} = Pair = gosocket_test_net:pair(Kind),
        [ok = ?S:setopt(Socket, otp, controlling_process, Owner) || Socket <- [A, B]],
        Pair
    end)).

-spec opaque_terms_come_back_from_another_node_as_they_went(config()) -> term().
opaque_terms_come_back_from_another_node_as_they_went(Config) ->
    gosocket_test_sweep:opaque_terms(world(Config)).

-spec what_no_frame_holds_is_the_callers_error_at_another_node(config()) -> term().
what_no_frame_holds_is_the_callers_error_at_another_node(Config) ->
    gosocket_test_sweep:too_large_calls(world(Config)).

%% More at once than a home keeps for a node that takes nothing. This one takes it a little later.
-spec many_large_results_at_once_end_nobodys_calls(config()) -> term().
many_large_results_at_once_end_nobodys_calls(Config) ->
    Home = home(Config),
    {Other, Peer} = pair(Home, {inet, dgram}),
    Waiting = start(fun() -> ?S:recv(Other) end),
    Pairs = [pair(Home, {inet, stream}) || _ <- lists:seq(1, 100)],
    Data = random(1 bsl 20),
    Readers = [start(fun() -> ?S:recv(B, 1 bsl 20) =:= {ok, Data} end) || {_, B} <- Pairs],
    [await_parked(Socket, num_readers, 1) || Socket <- [Other | [B || {_, B} <- Pairs]]],
    {ok, Remote} = gosocket_nodes:remote(Home),
    true = erlang:suspend_process(Remote),
    ok = result(gosocket_test_cluster:start(Home, fun() ->
        Senders = [start(fun() -> ?S:send(A, Data) end) || {A, _} <- Pairs],
        [ok = result(Sender) || Sender <- Senders],
        [await_parked(B, num_readers, 0) || {_, B} <- Pairs],
        ok
    end)),
    true = erlang:resume_process(Remote),
    ?assertEqual([true], lists:usort([result(Reader) || Reader <- Readers])),
    ok = ?S:send(Peer, <<"x">>),
    ?assertEqual({ok, <<"x">>}, result(Waiting)),
    [close(Sockets) || Sockets <- [{Other, Peer} | Pairs]].
