%% Options of level otp that the lane keeps copies of: a copy is what the helper would answer.
-module(gosocket_copy_SUITE).

-export([
    copies_are_what_the_helper_answers/1,
    copies_are_right_for_all_processes/1,
    an_option_set_from_another_node_is_seen_here/1,
    calls_that_are_debugged_are_seen_by_the_helper/1
]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [start/1, result/1, actor/0, kill/1, wait_until/1, lane/0]).
-import(gosocket_test_net, [kinds/0, listener/1, pair/1, accepted/2, unconnected/1, close/1]).

-type socket() :: gosocket_test_lib:socket().

-define(ABSENT, "the reference has no copies").
-include("gosocket_test_nodes.hrl").

-spec keys() -> [atom()].
keys() -> [meta, rcvbuf, controlling_process, fd, rcvctrlbuf, sndctrlbuf, use_registry, domain, iow].

%% The helper's own answer, past all copies.
-spec asked(socket(), atom()) -> term().
asked({'$socket', Handle}, Key) ->
    gosocket_wait:call(plain, [], {getopt, Handle, otp, Key}).

-spec values(atom()) -> [term()].
values(meta) -> [undefined, 17, {a, <<0:80000>>}, '$unknown', self(), make_ref(), fun() -> ok end, [1 | 2], binary:copy(<<1>>, 70000)];
values(rcvbuf) -> [1, 100, default, 0, {3, 50}, {0, 1}, foo, -1, 1 bsl 40];
values(controlling_process) -> [self(), foo];
values(fd) -> [1];
values(use_registry) -> [true, false];
values(domain) -> [inet];
values(iow) -> [true, false, 1];
values(_) -> [1, 5000, default, foo, 1 bsl 40].

-spec copies_are_what_the_helper_answers(config()) -> term().
copies_are_what_the_helper_answers(_) ->
    Seed = rand:uniform(1 bsl 32),
    ct:log("seed ~b", [Seed]),
    rand:seed(exsss, Seed),
    [begin
         {A, B} = pair(Kind),
         Sockets = [A, B],
         [begin
              Socket = lists:nth(rand:uniform(2), Sockets),
              Key = lists:nth(rand:uniform(length(keys())), keys()),
              case rand:uniform(3) of
                  1 ->
                      Values = values(Key),
                      _ = gosocket_test_lib:outcome(fun() -> ?S:setopt(Socket, otp, Key, lists:nth(rand:uniform(length(Values)), Values)) end);
                  _ ->
                      ?assertEqual({Key, asked(Socket, Key)}, {Key, ?S:getopt(Socket, otp, Key)})
              end
          end || _ <- lists:seq(1, 400)],
         close(A),
         [?assertEqual({Key, {error, closed}}, {Key, ?S:getopt(A, otp, Key)}) || Key <- keys()],
         close(B)
     end || Kind <- kinds()].

%% One sets, others read: nobody sees a value go back, and who has set sees the own one.
-spec copies_are_right_for_all_processes(config()) -> term().
copies_are_right_for_all_processes(_) ->
    Socket = unconnected({inet, dgram}),
    Readers = [start(fun() -> grows(Socket, 0) end) || _ <- lists:seq(1, 4)],
    [begin
         ok = ?S:setopt(Socket, otp, rcvbuf, N),
         ?assertEqual({ok, N}, ?S:getopt(Socket, otp, rcvbuf))
     end || N <- lists:seq(10000, 13000)],
    close(Socket),
    [?assertEqual(closed, result(Reader)) || Reader <- Readers],
    %% what a listener's sockets inherit
    Listener = listener({inet, stream}),
    ok = ?S:setopt(Listener, otp, rcvbuf, {2, 77}),
    ok = ?S:setopt(Listener, otp, meta, secret),
    _ = [?S:getopt(Listener, otp, Key) || Key <- keys()],
    Accepted = accepted(Listener, unconnected({inet, stream})),
    ?assertEqual([{ok, {2, 77}}, {ok, undefined}, {ok, self()}], [?S:getopt(Accepted, otp, Key) || Key <- [rcvbuf, meta, controlling_process]]),
    %% another owner, and the end of that
    Owner = actor(),
    ok = ?S:setopt(Accepted, otp, controlling_process, Owner),
    ?assertEqual({ok, Owner}, ?S:getopt(Accepted, otp, controlling_process)),
    ?assertEqual({error, not_owner}, ?S:setopt(Accepted, otp, meta, mine)),
    ?assertEqual({ok, undefined}, ?S:getopt(Accepted, otp, meta)),
    kill(Owner),
    wait_until(fun() -> ?S:getopt(Accepted, otp, meta) =:= {error, closed} end).

-spec grows(socket(), integer()) -> closed.
grows(Socket, Least) ->
    case ?S:getopt(Socket, otp, rcvbuf) of
        {ok, N} when N >= Least; Least =:= 0 -> grows(Socket, case N of 8192 -> 0; _ -> N end);
        {error, closed} -> closed
    end.

-spec an_option_set_from_another_node_is_seen_here(config()) -> term().
an_option_set_from_another_node_is_seen_here(_) ->
    Node = gosocket_test_cluster:start_node(),
    try
        Socket = unconnected({inet, dgram}),
        [begin
             ok = erpc:call(Node, gosocket, setopt, [Socket, otp, rcvbuf, N]),
             ?assertEqual({ok, N}, ?S:getopt(Socket, otp, rcvbuf)),
             ?assertEqual({ok, N}, erpc:call(Node, gosocket, getopt, [Socket, otp, rcvbuf]))
         end || N <- lists:seq(100, 120)],
        close(Socket)
    after
        gosocket_test_cluster:stop_node(Node)
    end.

-spec calls_that_are_debugged_are_seen_by_the_helper(config()) -> term().
calls_that_are_debugged_are_seen_by_the_helper(_) ->
    Socket = unconnected({inet, dgram}),
    {ok, 8192} = ?S:getopt(Socket, otp, rcvbuf),
    ok = ?S:setopt(Socket, otp, debug, true),
    Before = frames(),
    [{ok, 8192} = ?S:getopt(Socket, otp, rcvbuf) || _ <- lists:seq(1, 10)],
    ?assert(frames() - Before >= 10),
    ok = ?S:setopt(Socket, otp, debug, false),
    close(Socket),
    exit(lane(), kill),
    wait_until(fun() -> case ?S:open(inet, dgram) of {ok, S} -> ok =:= ?S:close(S); _ -> false end end).

%% Frames that the lane has got, this call's own not counted.
-spec frames() -> non_neg_integer().
frames() -> element(2, sys:get_state(lane())).
