%% Modules are loaded again, twice in a row and purged at once, while processes call and wait: nobody is killed, nobody is
%% held up, and lane, helper and sockets stay. What is purged says itself whether it killed somebody.
-module(gosocket_reload_SUITE).

-export([
    no_loading_kills_or_holds_up_anybody/1
]).
%% Called at the other node.
-export([each/2]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [start/1, result/1, run/2, kill/1, elapsed/1, lane/0, helper_os_pid/0]).
-import(gosocket_test_net, [pair/1, unconnected/1]).

-define(ABSENT, "the reference has other modules").
-define(TIMETRAP, 120).
-include("gosocket_test_nodes.hrl").

%% ---- cases ----

-spec no_loading_kills_or_holds_up_anybody(config()) -> term().
no_loading_kills_or_holds_up_anybody(_) ->
    under_traffic(fun(Node) ->
        Everywhere = modules(),
        [?assertEqual({Name, []}, {Name, Killed})
         || {Name, Load} <- [{each_twice_in_a_row, fun() -> each(2, Everywhere) end},
                             {all_twice_in_a_row, fun() -> [Module || _ <- lists:seq(1, 4), Module <- Everywhere, load(Module)] end},
                             {from_binaries, fun() -> from_binaries(Everywhere) end},
                             {waiting_code, fun() -> each(10, [gosocket_wait]) end},
                             {in_the_shell, fun() -> in_the_shell([gosocket_wait, gosocket_wait, gosocket_lane, gosocket_lane]) end},
                             {at_the_other_node, fun() -> erpc:call(Node, ?MODULE, each, [1, Everywhere]) end},
                             {in_a_release, fun in_a_release/0},
                             {failing, fun failing/0}],
            Killed <- [Load()]]
    end).

%% Those in which somebody was killed.
-spec each(pos_integer(), [module()]) -> [module()].
each(Rounds, Modules) ->
    [Module || _ <- lists:seq(1, Rounds), Module <- Modules, lists:member(true, [load(Module), load(Module), code:purge(Module)])].

%% code:load_binary/3 purges by itself, and does not say of whom.
-spec from_binaries([module()]) -> [].
from_binaries(Modules) ->
    [begin
         {Module, Binary, File} = code:get_object_code(Module),
         [{module, Module} = code:load_binary(Module, File, Binary) || _ <- [1, 2]]
     end || Module <- Modules],
    [].

-spec in_the_shell([module()]) -> [].
in_the_shell(Modules) ->
    [{module, Module} = c:l(Module) || Module <- Modules],
    [].

-spec in_a_release() -> [module()].
in_a_release() ->
    ok = sys:suspend(lane()),
    {Elapsed, Killed} = elapsed(fun() -> load(gosocket_lane) end),
    ok = sys:change_code(lane(), gosocket_lane, undefined, []),
    ok = sys:resume(lane()),
    ?assert(Elapsed < 1000),
    [gosocket_lane || Killed].

%% As when an -on_load function fails: the loading process ends and nothing is current.
-spec failing() -> [].
failing() ->
    {Loader, Monitor} = spawn_monitor(fun() -> gosocket_reload:on_load(gosocket_wait) end),
    receive {'DOWN', Monitor, process, Loader, Reason} -> ?assertEqual(normal, Reason) end,
    [].

-spec modules() -> [module()].
modules() ->
    {ok, Modules} = application:get_key(gosocket, modules),
    Modules.

%% Whether that killed somebody.
-spec load(module()) -> boolean().
load(Module) ->
    Killed = code:purge(Module),
    {module, Module} = code:load_file(Module),
    Killed.

%% ---- traffic ----

-spec under_traffic(fun((node()) -> term())) -> ok.
under_traffic(Load) ->
    Node = gosocket_test_cluster:start_node(),
    There = gosocket_test_cluster:actor(Node),
    [code:purge(Module) || Module <- modules()],
    Waiting = [{Place, Name, waits(Place, Name, Node, There)}
               || Place <- [here, from_there, at_there], Name <- gosocket_test_blocked:names()],
    {A, B} = run(There, fun() -> pair({inet, stream}) end),
    Mixed = pair({inet, stream}),
    Talking = [start(fun() -> talk(pair({inet, stream})) end) || _ <- lists:seq(1, 10)]
        ++ [start(fun() -> ask(unconnected({inet, dgram})) end) || _ <- lists:seq(1, 5)]
        ++ [start(fun() -> select(pair({local, stream})) end) || _ <- lists:seq(1, 5)]
        ++ [start(fun open/0) || _ <- [1, 2]]
        ++ [start(fun() -> look(unconnected({inet, dgram})) end)]
        ++ [start(fun() -> talk({A, B}) end), gosocket_test_cluster:start(Node, fun() -> talk(Mixed) end)],
    Lane = lane(),
    Helper = helper_os_pid(),
    Load(Node),
    ?assertEqual([], [Ended || Ended <- [stop(Call) || Call <- Talking], Ended =/= stopped]),
    ?assertEqual({Lane, Helper}, {lane(), helper_os_pid()}),
    [?assertEqual({Place, Name, waits}, {Place, Name, state(Call)}) || {Place, Name, {_, Call}} <- Waiting],
    [begin _ = ?S:close(Socket), ?assertEqual({error, closed}, reason(result(Call))) end
     || {_, _, {#{socket := Socket}, Call}} <- Waiting],
    [?S:close(Socket) || Socket <- ?S:which_sockets()],
    kill(There),
    gosocket_test_cluster:stop_node(Node).

-spec waits(here | from_there | at_there, atom(), node(), pid()) -> {map(), gosocket_test_lib:call()}.
waits(here, Name, _, _) ->
    Situation = gosocket_test_blocked:make(Name),
    {Situation, gosocket_test_blocked:start(Situation)};
waits(at_there, Name, _, There) ->
    Situation = run(There, fun() -> gosocket_test_blocked:make(Name) end),
    {Situation, gosocket_test_blocked:start(Situation)};
waits(from_there, Name, Node, _) ->
    #{call := Call} = Situation = gosocket_test_blocked:make(Name),
    Started = gosocket_test_cluster:start(Node, fun() -> Call(infinity) end),
    ok = gosocket_test_blocked:await_parked(Situation),
    {Situation, Started}.

-spec state(gosocket_test_lib:call()) -> waits | {died, term()}.
state({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, Reason} -> {died, Reason}
    after 0 ->
        waits
    end.

-spec reason(term()) -> {error, term()}.
reason({error, {Reason, _}}) -> {error, Reason};
reason(Result) -> Result.

%% Each calls till it is told to stop, and then a hundred times more.

-spec stop(gosocket_test_lib:call()) -> term().
stop({Pid, _} = Call) ->
    Pid ! {stop, 100},
    result(Call).

-spec next(fun(() -> term())) -> term().
next(Again) ->
    receive
        {stop, 0} ->
            stopped;
        {stop, Left} ->
            self() ! {stop, Left - 1},
            Again()
    after 0 ->
        Again()
    end.

-spec talk({gosocket_test_lib:socket(), gosocket_test_lib:socket()}) -> term().
talk({A, B} = Pair) ->
    ok = ?S:send(A, <<"talk">>),
    {ok, <<"talk">>} = ?S:recv(B, 4),
    next(fun() -> talk(Pair) end).

-spec ask(gosocket_test_lib:socket()) -> term().
ask(Socket) ->
    {ok, dgram} = ?S:getopt(Socket, socket, type),
    next(fun() -> ask(Socket) end).

%% Without the lane, and so without ever waiting.
-spec look(gosocket_test_lib:socket()) -> term().
look(Socket) ->
    {ok, _} = ?S:getopt(Socket, otp, rcvbuf),
    next(fun() -> look(Socket) end).

-spec select({gosocket_test_lib:socket(), gosocket_test_lib:socket()}) -> term().
select({A, B} = Pair) ->
    {select, Info} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"x">>),
    ok = gosocket_test_lib:await_select(B, Info),
    {ok, <<"x">>} = ?S:recv(B, 0, nowait),
    next(fun() -> select(Pair) end).

-spec open() -> term().
open() ->
    {ok, Socket} = ?S:open(inet, dgram),
    ok = ?S:close(Socket),
    next(fun open/0).
