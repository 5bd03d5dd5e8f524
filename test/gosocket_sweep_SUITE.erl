%% Whatever a well-formed call carries, only its caller hears of it: the sweep of hostile terms (gosocket_test_sweep) on
%% sockets of every sort of this node. gosocket_remote_sweep_SUITE has those of another node.
-module(gosocket_sweep_SUITE).

-export([
    every_function_is_in_the_table/1,
    every_example_is_right/1,
    hostile_terms_on_udp_sockets/1,
    hostile_terms_on_tcp_sockets/1,
    hostile_terms_on_local_sockets/1,
    hostile_terms_in_calls_without_a_socket/1,
    opaque_terms_come_back_as_they_went/1,
    what_no_frame_holds_is_the_callers_error/1
]).

-import(gosocket_test_sweep, [calls/2, endings/1, calls_without_a_socket/0, judged/2, sweep/4, fresh/2, feed/2, address/1]).

-define(OURS, []).
-include("gosocket_test.hrl").

-spec every_function_is_in_the_table(config()) -> term().
every_function_is_in_the_table(_) ->
    Exported = [Function || {Name, _} = Function <- ?S:module_info(exports), Name =/= module_info],
    Rows = calls(foo, #{}) ++ endings(foo) ++ calls_without_a_socket(),
    ?assertEqual([], Exported -- [{Name, length(Arguments)} || {Name, Arguments} <- Rows]).

%% A row that raises would hide what stands behind its first mistake.
-spec every_example_is_right(config()) -> term().
every_example_is_right(_) ->
    [begin
         {Socket, Peer} = fresh(world(), Kind),
         [begin
              feed(Peer, Name),
              ?assertMatch({{Kind, Name, Arguments}, {returned, _}}, {{Kind, Name, Arguments}, outcome(fun() -> apply(?S, Name, Arguments) end)})
          end || {Name, Arguments} <- calls(Socket, address(Peer)), {Name, Arguments} =/= {shutdown, [Socket, no_such_direction]}],
         close({Socket, Peer})
     end || Kind <- sorts()].

-spec sorts() -> [{inet | local, stream | dgram}].
sorts() ->
    [{inet, dgram}, {inet, stream}, {local, stream}].

%% ---- the sweep ----

-spec hostile_terms_on_udp_sockets(config()) -> term().
hostile_terms_on_udp_sockets(_) -> sweep({inet, dgram}, 0).

-spec hostile_terms_on_tcp_sockets(config()) -> term().
hostile_terms_on_tcp_sockets(_) -> sweep({inet, stream}, 1).

-spec hostile_terms_on_local_sockets(config()) -> term().
hostile_terms_on_local_sockets(_) -> sweep({local, stream}, 2).

-spec sweep({inet | local, stream | dgram}, Turn :: 0..2) -> ok.
sweep(Kind, Turn) ->
    judged(world(), fun(Hostile) -> sweep(world(), Kind, fun(Size, N) -> is_due(Size, N, Turn) end, Hostile) end).

-spec hostile_terms_in_calls_without_a_socket(config()) -> term().
hostile_terms_in_calls_without_a_socket(_) ->
    judged(world(), fun gosocket_test_sweep:sweep/1).

-spec world() -> gosocket_test_sweep:world().
world() ->
    #{pair => fun gosocket_test_net:pair/1, nodes => [node()]}.

%% Small terms come to every place on every sort of socket. Of large ones each place has each once: which sort of
%% socket has it goes round; and of some one place in three.
-spec is_due(gosocket_test_terms:size(), pos_integer(), 0..2) -> boolean().
is_due(small, _, _) -> true;
is_due(large, N, Turn) -> N rem 3 =:= Turn;
is_due(few, N, Turn) -> N rem 9 =:= Turn.

-spec opaque_terms_come_back_as_they_went(config()) -> term().
opaque_terms_come_back_as_they_went(_) ->
    gosocket_test_sweep:opaque_terms(world()).

-spec what_no_frame_holds_is_the_callers_error(config()) -> term().
what_no_frame_holds_is_the_callers_error(_) ->
    gosocket_test_sweep:too_large_calls(world()),
    Huge = gosocket_test_sweep:huge(),
    Before = {lane(), helper_os_pid()},
    ?assertEqual({error, emsgsize}, ?S:open(inet, dgram, Huge)),
    ?assertEqual({error, emsgsize}, ?S:open(inet, dgram, udp, #{netns => Huge})),
    ?assertEqual([], ?S:supports(Huge)),
    ?assertNot(?S:is_supported(Huge)),
    ?assertEqual(Before, {lane(), helper_os_pid()}).
