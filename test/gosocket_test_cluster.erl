%% Other nodes. The node of the tests takes part in distribution from open/0 to close/0.
-module(gosocket_test_cluster).

-include("gosocket_test.hrl").

-export([open/0, close/0]).
-export([start_node/0, start_node/1, start_stranger/0, stop_node/1, kill_node/1, signal_node/2, await_connected/2]).
-export([actor/1, start/2]).
-export([serve/1]).

-define(COOKIE, "gosocket-tests").

%% ---- this node ----

%% Handles and pids from before have the name of a node that is in no cluster.
-spec open() -> ok.
open() ->
    _ = application:stop(?S),
    _ = os:cmd("epmd -daemon"), % returns before it listens
    gosocket_test_lib:wait_until(fun() -> element(1, erl_epmd:names("localhost")) =:= ok end),
    %% starts a process that stays
    {ok, _} = inet:getaddr("localhost", inet),
    {ok, _} = net_kernel:start([name(), shortnames]),
    true = erlang:set_cookie(node(), list_to_atom(?COOKIE)),
    ok.

-spec close() -> ok.
close() ->
    _ = application:stop(?S),
    ok = net_kernel:stop().

-spec name() -> node().
name() ->
    list_to_atom(gosocket_test_lib:unique() ++ "@localhost").

%% ---- others ----

-spec start_node() -> node().
start_node() ->
    start_node([]).

%% With the application's code, and no more running than its first call starts.
-spec start_node([string()]) -> node().
start_node(Options) ->
    started(fun(Name) ->
        gosocket_test_node:start(?MODULE, serve, [node()], [], options(Name) ++ Options)
    end).

%% That has never heard of the application.
-spec start_stranger() -> node().
start_stranger() ->
    Serve = lists:flatten(io_lib:format(
        "net_kernel:connect_node('~s'), monitor_node('~s', true), receive {nodedown, _} -> halt() end.", [node(), node()])),
    started(fun(Name) ->
        Port = open_port({spawn_executable, os:find_executable("erl")},
                         [{args, ["-noshell", "-noinput" | options(Name)] ++ ["-eval", Serve]}, exit_status, binary,
                          stderr_to_stdout]),
        #{port => Port, said => <<>>}
    end).

-spec options(node()) -> [string()].
options(Name) ->
    ["-sname", atom_to_list(Name), "-setcookie", ?COOKIE].

%% A process of its own keeps the port, and a table the process.
-spec started(fun((node()) -> gosocket_test_node:a_node())) -> node().
started(Start) ->
    Name = name(),
    Parent = self(),
    Keeper = spawn(fun() ->
        Node = Start(Name),
        Parent ! {self(), gosocket_test_node:os_pid(Node)},
        keep(Node)
    end),
    OsPid = receive {Keeper, Pid} -> Pid after ?PATIENCE -> ct:fail(no_node) end,
    persistent_term:put({?MODULE, Name}, {Keeper, OsPid}),
    ok = await_connected(Name, true),
    Name.

-spec keep(gosocket_test_node:a_node()) -> ok.
keep(#{port := Port} = Node) ->
    receive
        {Port, {data, _}} ->
            keep(Node);
        {Port, {exit_status, _}} ->
            ok
    end.

-spec await_connected(node(), boolean()) -> ok.
await_connected(Node, Is) ->
    gosocket_test_lib:wait_until(fun() -> lists:member(Node, nodes(connected)) =:= Is end).

%% In the other node: until its parent is away for longer than a test takes it away.
-spec serve(node()) -> ok.
serve(Parent) ->
    monitor_node(Parent, true),
    receive {nodedown, Parent} -> ok end,
    receive after ?PATIENCE -> ok end,
    case lists:member(Parent, nodes(connected)) of
        true -> serve(Parent);
        false -> ok
    end.

-spec stop_node(node()) -> ok.
stop_node(Node) ->
    true = rpc:cast(Node, erlang, halt, [0]),
    ended(Node).

-spec kill_node(node()) -> ok.
kill_node(Node) ->
    signal_node(Node, "KILL"),
    ended(Node).

-spec signal_node(node(), string()) -> ok.
signal_node(Node, Signal) ->
    {_, OsPid} = persistent_term:get({?MODULE, Node}),
    ok = gosocket_test_lib:signal(Signal, OsPid),
    Signal =/= "STOP" orelse gosocket_test_lib:wait_until(fun() -> is_stopped(OsPid) end),
    ok.

%% All its threads (proc(5), /proc/PID/task/TID/stat): they stop a moment after the signal was sent.
-spec is_stopped(pos_integer()) -> boolean().
is_stopped(OsPid) ->
    Files = filelib:wildcard("/proc/" ++ integer_to_list(OsPid) ++ "/task/*/stat"),
    lists:all(fun(File) ->
        {ok, Stat} = file:read_file(File),
        [_, <<State, _/binary>>] = binary:split(Stat, <<") ">>),
        State =:= $T
    end, Files).

-spec ended(node()) -> ok.
ended(Node) ->
    {Keeper, _} = persistent_term:get({?MODULE, Node}),
    Monitor = monitor(process, Keeper),
    receive {'DOWN', Monitor, process, Keeper, _} -> ok after ?PATIENCE -> ct:fail({does_not_end, Node}) end,
    persistent_term:erase({?MODULE, Node}),
    await_connected(Node, false).

%% ---- processes there ----

%% As gosocket_test_lib:actor/0; ends with this process.
-spec actor(node()) -> pid().
actor(Node) ->
    Parent = self(),
    spawn(Node, fun() -> gosocket_test_lib:actor_loop(Parent, monitor(process, Parent)) end).

-spec start(node(), fun(() -> term())) -> gosocket_test_lib:call().
start(Node, Fun) ->
    spawn_monitor(Node, fun() -> exit({result, Fun()}) end).
