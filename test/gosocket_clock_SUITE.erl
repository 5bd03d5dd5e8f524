%% Time-outs are right whatever os:perf_counter/1 counts, and wherever the helper's clock stands.
-module(gosocket_clock_SUITE).

-export([
    the_clock_of_this_machine_is_shared/1,
    no_kind_of_clock_makes_a_timeout_wrong/1,
    stepping_wall_time_changes_no_timeout/1,
    clock_that_parts_from_the_helpers_later_is_found_out/1,
    helper_in_a_time_namespace_keeps_time/1,
    calls_between_nodes_of_different_clocks_keep_time/1
]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [result/1, beside/2, run/2, kill/1, helper_os_pid/0, unique/0, skip_unless/2]).
-import(gosocket_test_net, [bound/1, close/1]).

-define(TIMEOUT, 60).
-define(HOUR, 3600000000000).

-define(ABSENT, "the reference has no clock but the VM's").
-include("gosocket_test_nodes.hrl").

-spec the_clock_of_this_machine_is_shared(config()) -> term().
the_clock_of_this_machine_is_shared(_) ->
    Socket = bound({inet, dgram}),
    ?assertEqual(shared, gosocket_test_clock:relation()),
    close(Socket).

-spec no_kind_of_clock_makes_a_timeout_wrong(config()) -> term().
no_kind_of_clock_makes_a_timeout_wrong(_) ->
    Relations = [{same, shared} | [{Kind, apart} || Kind <- gosocket_test_clock:kinds()]],
    beside(fun({Kind, _} = Which) -> all_right(Which, in_fresh_node(timeouts_with, [Kind])) end, Relations).

-spec stepping_wall_time_changes_no_timeout(config()) -> term().
stepping_wall_time_changes_no_timeout(_) ->
    all_right({wall, apart}, in_fresh_node(timeouts_while_wall_time_steps, [])).

%% It is asked for each second for which calls wait.
-spec clock_that_parts_from_the_helpers_later_is_found_out(config()) -> term().
clock_that_parts_from_the_helpers_later_is_found_out(_) ->
    beside(fun(Kind) -> all_right({Kind, apart}, in_fresh_node(parts_later, [Kind])) end,
           [{offset, ?HOUR}, {offset, 20000000}, {offset, -20000000}, {offset, -1000000}, {rate, 101}, random]).

%% A difference that the kernel makes.
-spec helper_in_a_time_namespace_keeps_time(config()) -> term().
helper_in_a_time_namespace_keeps_time(_) ->
    Socket = bound({inet, dgram}),
    {ok, Helper} = file:read_link("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/exe"),
    close(Socket),
    Unshare = "unshare --user --map-root-user --time --monotonic 86400 ",
    skip_unless(os:cmd(Unshare ++ "echo works") =:= "works\n", "unshare(1) makes no time namespace here"),
    Path = filename:join("/tmp", unique()),
    ok = file:write_file(Path, ["#!/bin/sh\nexec ", Unshare, Helper, " \"$@\"\n"]),
    ok = file:change_mode(Path, 8#755),
    try
        Node = gosocket_test_node:start(gosocket_test_clock, timeouts_with, [same], [{"GOSOCKET_HELPER", Path}]),
        {{returned, Timed}, _} = gosocket_test_node:wait(Node),
        all_right({same, apart}, Timed)
    after
        file:delete(Path)
    end.

%% Caller and home each with a clock of its own.
-spec calls_between_nodes_of_different_clocks_keep_time(config()) -> term().
calls_between_nodes_of_different_clocks_keep_time(_) ->
    Nodes = [{Kind, faked(gosocket_test_cluster:start_node(), Kind)} || Kind <- [same, {offset, ?HOUR}, wall]],
    try
        [begin
             Holder = gosocket_test_cluster:actor(Home),
             #{call := Call} = run(Holder, fun() -> gosocket_test_blocked:make(Name) end),
             Timed = result(gosocket_test_cluster:start(Node, fun() -> gosocket_test_clock:timed(Name, Call) end)),
             all_right({There, Here}, {{There, Here}, [Timed]}),
             kill(Holder)
         end || {There, Home} <- Nodes, {Here, Node} <- Nodes, Node =/= Home, Name <- [recv, recv_part, accept, send]]
    after
        [gosocket_test_cluster:stop_node(Node) || {_, Node} <- Nodes]
    end.

-spec faked(node(), gosocket_test_clock:kind()) -> node().
faked(Node, Kind) ->
    ok = rpc:call(Node, gosocket_test_clock, fake, [Kind]),
    Node.

%% ---- measuring ----

-spec in_fresh_node(atom(), [term()]) -> term().
in_fresh_node(Function, Arguments) ->
    {{returned, Result}, _} = gosocket_test_node:wait(gosocket_test_node:start(gosocket_test_clock, Function, Arguments, [])),
    Result.

%% Not early, and not when somebody has lost patience.
-spec all_right(term(), {term(), [gosocket_test_clock:timed()]}) -> ok.
all_right(Which, {Said, Timed}) ->
    ?assertEqual(Which, Said),
    [?assertEqual({Which, Name, gosocket_test_blocked:error(Name, timeout), in_time},
                  {Which, Name, Outcome, case Elapsed of
                                             _ when Elapsed < ?TIMEOUT -> {early, Elapsed};
                                             _ when Elapsed > ?TIMEOUT + 2000 -> {late, Elapsed};
                                             _ -> in_time
                                         end})
     || {Name, {Elapsed, Outcome}} <- Timed],
    ok.
