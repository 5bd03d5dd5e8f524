%% Any process of the application is killed, and any two of which one is the lane, the supervisor or the guardian, while
%% others wait: every call that waits is answered, every select has exactly one abort, and what comes next works. The
%% processes are those that are found running, not a list.
-module(gosocket_deaths_SUITE).

-export([
    any_process_may_be_killed/1,
    any_process_may_be_killed_with_the_lane/1,
    any_process_may_be_killed_with_the_supervisor/1,
    any_process_may_be_killed_with_the_guardian/1,
    guardian_without_heir_may_be_killed_while_it_ends/1,
    guardian_and_heir_may_be_gone_before_anybody_hears_of_it/1,
    lanes_that_stand_still_hold_up_all_aborts_together_for_one_time/1,
    stopped_application_answers_everybody/1,
    twenty_deaths_of_a_worker_do_not_end_the_application/1,
    deaths_as_fast_as_can_be_do_not_end_the_node/1,
    selects_that_fire_while_everything_dies_have_one_message/1
]).
%% In a fresh node.
-export([dies_often/2]).

-include("gosocket_test.hrl").

-import(gosocket_test_lib, [actor/0, run/2, cast/2, answer/1, kill/1, result/1, elapsed/1, wait_until/1, await_abort/3, await_parked/3,
                            lane/0, helper_os_pid/0, helper_alive/1, slack/0]).
-import(gosocket_test_net, [pair/1, small_pair/1, listener/1, unconnected/1]).

-define(SECOND, 1000).

%% Who waits: on this node's sockets here, or from the other node; here on those of the other node.
-define(GROUPS, [local, from, at]).

%% Sockets for each sort of waiting and processes that have a select on each: more than 1,000 selects, or about 40.
-define(MANY, {10, 10}).
-define(FEW, {1, 3}).

%% Calls on one more socket of each sort: more than 100.
-define(CALLERS, 10).

-define(ABSENT, "the reference has no processes of its own").
-define(TIMETRAP, 120).
-define(BESIDE, [any_process_may_be_killed_with_the_lane, deaths_as_fast_as_can_be_do_not_end_the_node,
                 selects_that_fire_while_everything_dies_have_one_message]).
-include("gosocket_test_nodes.hrl").

%% ---- cases ----

-spec any_process_may_be_killed(config()) -> term().
any_process_may_be_killed(_) ->
    each(?MANY, fun(Labels) -> [[Label] || Label <- Labels] end).

-spec any_process_may_be_killed_with_the_lane(config()) -> term().
any_process_may_be_killed_with_the_lane(_) ->
    each(?FEW, fun(Labels) -> pairs(gosocket_lane, Labels) end).

-spec any_process_may_be_killed_with_the_supervisor(config()) -> term().
any_process_may_be_killed_with_the_supervisor(_) ->
    each(?FEW, fun(Labels) -> pairs(gosocket_sup, Labels) end).

-spec any_process_may_be_killed_with_the_guardian(config()) -> term().
any_process_may_be_killed_with_the_guardian(_) ->
    each(?FEW, fun(Labels) -> pairs(gosocket_guardian, Labels) end).

%% It waits for the lanes then, of which one stands still: these are all who are left.
-spec guardian_without_heir_may_be_killed_while_it_ends(config()) -> term().
guardian_without_heir_may_be_killed_while_it_ends(_) ->
    with_another_node(fun(Node) ->
        Waiting = waiting(?FEW, Node),
        {Lane, Guardian} = {lane(), whereis(gosocket_guardian)},
        ends(?GROUPS, Waiting, fun() ->
            true = erlang:suspend_process(Lane),
            exit(whereis(gosocket_heir), kill),
            wait_until(fun() -> is_in(gosocket_guardian, end_lane, Guardian) end),
            kill(Guardian),
            true = erlang:resume_process(Lane)
        end)
    end).

%% The supervisor ends those behind the guardian, which hear of that perhaps first.
-spec guardian_and_heir_may_be_gone_before_anybody_hears_of_it(config()) -> term().
guardian_and_heir_may_be_gone_before_anybody_hears_of_it(_) ->
    with_another_node(fun(Node) ->
        Waiting = waiting(?FEW, Node),
        {Door, [Remote]} = {whereis(gosocket_nodes), gosocket_nodes:remotes()},
        ends(?GROUPS, Waiting, fun() ->
            true = erlang:suspend_process(Remote),
            lists:foreach(fun(Name) -> exit(whereis(Name), kill) end, [gosocket_heir, gosocket_guardian]),
            wait_until(fun() -> not is_process_alive(Door) orelse is_in(gosocket_sup, await_end, Door) end),
            _ = is_process_alive(Door) andalso erlang:resume_process(Remote)
        end)
    end).

%% They are killed in the end.
-spec lanes_that_stand_still_hold_up_all_aborts_together_for_one_time(config()) -> term().
lanes_that_stand_still_hold_up_all_aborts_together_for_one_time(_) ->
    [begin
         Names = [list_to_atom(gosocket_test_lib:unique()) || _ <- lists:seq(1, 20)],
         Lanes = [element(2, {ok, _} = gosocket_lanes:start(Name, #{})) || Name <- Names],
         Selects = [begin
                        {_, Socket} = gosocket_test_lanes:pair_in(Name),
                        {select, Info} = ?S:recv(Socket, 0, nowait),
                        {Socket, Info}
                    end || Name <- Names],
         [true = erlang:suspend_process(Lane) || Lane <- Lanes],
         {Elapsed, _} = elapsed(fun() ->
             exit(whereis(Dies), kill),
             [await_abort(Socket, Info, closed) || {Socket, Info} <- Selects]
         end),
         ?assert(Elapsed < ?SECOND * slack()),
         works()
     end || Dies <- [gosocket_guardian, gosocket_heir]].

-spec is_in(module(), Function :: atom(), pid()) -> boolean().
is_in(Module, Function, Pid) ->
    case erlang:process_info(Pid, current_function) of
        {_, {Module, Function, _}} -> true;
        _ -> false
    end.

-spec pairs(module(), [label()]) -> [[label()]].
pairs(Name, Labels) ->
    {value, Main} = lists:keysearch(Name, 1, Labels),
    [Pair || Label <- Labels, Label =/= Main, Pair <- [[Main, Label], [Label, Main]]].

%% Choose makes of what runs the sets of processes to be killed.
-spec each(often(), fun(([label()]) -> [[label()]])) -> ok.
each(Often, Choose) ->
    with_another_node(fun(Node) ->
        Waiting = waiting(?FEW, Node),
        Labels = lists:usort([Label || {Label, _} <- processes_of_application()]),
        ct:log("~p", [Labels]),
        [?assert(lists:keymember(Module, 1, Labels))
         || Module <- [application_master, gosocket_sup, gosocket_guardian, gosocket_nodes, gosocket_lane, gosocket_remote,
                       gosocket_proxy, gosocket_far]],
        forget(Waiting),
        lists:foreach(fun(Victims) -> killed(Victims, waiting(Often, Node)) end, Choose(Labels))
    end).

-spec killed([label()], map()) -> ok.
killed(Victims, Waiting) ->
    Pids = [Pid || Victim <- Victims, {Label, Pid} <- processes_of_application(), Label =:= Victim],
    ct:log("~w ~w", [Victims, Pids]),
    ?assert(length(Pids) >= length(Victims)),
    ends(lists:usort(lists:append([concerned(Module) || {Module, _} <- Victims])), Waiting, fun() ->
        lists:foreach(fun(Pid) -> exit(Pid, kill) end, Pids)
    end).

%% Whose waiting ends with it: of a process for one other node, that of this node's processes there, or of those here.
-spec concerned(module()) -> [atom()].
concerned(gosocket_far) -> [];
concerned(gosocket_proxy) -> [from];
concerned(gosocket_remote) -> [at];
concerned(gosocket_lane) -> [local, from];
concerned(_) -> ?GROUPS.

-spec stopped_application_answers_everybody(config()) -> term().
stopped_application_answers_everybody(_) ->
    with_another_node(fun(Node) ->
        ends(?GROUPS, waiting(?MANY, Node), fun() -> application:stop(gosocket) end)
    end).

-spec twenty_deaths_of_a_worker_do_not_end_the_application(config()) -> term().
twenty_deaths_of_a_worker_do_not_end_the_application(_) ->
    works(),
    Sup = whereis(gosocket_sup),
    [begin
         wait_until(fun() -> is_pid(whereis(Name)) end),
         kill(whereis(Name))
     end || _ <- lists:seq(1, 20), Name <- [gosocket_guardian, gosocket_heir, gosocket_nodes]],
    [begin works(), kill(lane()) end || _ <- lists:seq(1, 20)],
    works(),
    ?assertEqual(Sup, whereis(gosocket_sup)).

-spec deaths_as_fast_as_can_be_do_not_end_the_node(config()) -> term().
deaths_as_fast_as_can_be_do_not_end_the_node(_) ->
    [begin
         {Result, Printed} = gosocket_test_node:wait(gosocket_test_node:start(?MODULE, dies_often, [Name, 300], [])),
         ct:log("~p ~p ~ts", [Name, Result, Printed]),
         ?assertMatch({returned, {_, ok, true}}, Result)
     end || Name <- [gosocket_guardian, gosocket_heir, gosocket_nodes]].

%% Kills in that time, whether an open works after it, and whether it is the same supervisor.
-spec dies_often(atom(), Milliseconds :: pos_integer()) -> {pos_integer(), ok, boolean()}.
dies_often(Name, Milliseconds) ->
    ok = logger:set_primary_config(level, none),
    ok = application:start(gosocket, permanent),
    Sup = whereis(gosocket_sup),
    Kills = kill_again(Name, none, 0, erlang:monotonic_time(millisecond) + Milliseconds),
    works(),
    {Kills, ok, Sup =:= whereis(gosocket_sup)}.

-spec kill_again(atom(), pid() | undefined | none, non_neg_integer(), integer()) -> non_neg_integer().
kill_again(Name, Last, Kills, End) ->
    case {whereis(Name), erlang:monotonic_time(millisecond) < End} of
        {_, false} ->
            Kills;
        {Pid, true} when Pid =:= Last; Pid =:= undefined ->
            erlang:yield(),
            kill_again(Name, Last, Kills, End);
        {Pid, true} ->
            exit(Pid, kill),
            kill_again(Name, Pid, Kills + 1, End)
    end.

%% Whoever has an armed select gets one message: that it is ready, or the abort.
-spec selects_that_fire_while_everything_dies_have_one_message(config()) -> term().
selects_that_fire_while_everything_dies_have_one_message(_) ->
    gosocket_test_node:alone(fun() ->
        [begin
             Actors = [actor() || _ <- lists:seq(1, 20)],
             Test = self(),
             Busy = [cast(Actor, fun() ->
                 {A, B} = pair({inet, stream}),
                 Test ! busy,
                 selecting(A, B)
             end) || Actor <- Actors],
             [receive busy -> ok end || _ <- Actors],
             receive after 20 -> ok end,
             [exit(Pid, kill) || Name <- Names, {{Module, _}, Pid} <- processes_of_application(), Module =:= Name],
             ?assertEqual([], [Result || Result <- [answer(Call) || Call <- Busy], Result =/= ok]),
             works(),
             ?assertEqual([], lists:append([run(Actor, fun messages/0) || Actor <- Actors])),
             lists:foreach(fun gosocket_test_lib:kill/1, Actors)
         end || _ <- lists:seq(1, 10),
                Names <- [[gosocket_lane], [gosocket_guardian], [gosocket_guardian, gosocket_lane], [gosocket_heir, gosocket_guardian],
                          [gosocket_sup], [gosocket_sup, gosocket_guardian]]]
    end).

-spec selecting(socket(), socket()) -> ok | {unexpected, term()}.
selecting(A, B) ->
    case ?S:recv(B, 0, nowait) of
        {ok, _} ->
            selecting(A, B);
        {select, {select_info, recv, Ref}} ->
            _ = ?S:send(A, <<"x">>),
            receive
                {'$socket', B, select, Ref} -> selecting(A, B);
                {'$socket', B, abort, {Ref, closed}} -> ok
            after ?PATIENCE ->
                {unexpected, {none, messages()}}
            end;
        {error, closed} ->
            ok;
        Other ->
            {unexpected, Other}
    end.

%% ---- the application's processes ----

-type label() :: {module(), term()}.

%% The application's master, those whose group leader it is, and all that were started with a function of the application.
-spec processes_of_application() -> [{label(), pid()}].
processes_of_application() ->
    {ok, Modules} = application:get_key(gosocket, modules),
    Leader = case whereis(gosocket_sup) of
                 undefined -> none;
                 Sup -> proplists:get_value(group_leader, [erlang:process_info(Sup, group_leader)])
             end,
    [{Label, Pid} || Pid <- processes(), Label <- [label(Pid)],
                     Pid =:= Leader
                         orelse erlang:process_info(Pid, group_leader) =:= {group_leader, Leader}
                         orelse lists:member(element(1, Label), Modules)].

%% The same in each run.
-spec label(pid()) -> label().
label(Pid) ->
    case erlang:process_info(Pid, [initial_call, dictionary]) of
        undefined ->
            {none, none};
        [{_, Call}, {_, Dictionary}] ->
            case proplists:get_value('$initial_call', Dictionary, Call) of
                {supervisor, Name, 1} -> {Name, supervisor};
                {Module, Function, _} -> {Module, Function}
            end
    end.

%% ---- who waits ----

-type socket() :: gosocket_test_lib:socket().
-type target() :: {Function :: atom(), socket(), [term()]}.
-type often() :: {Sockets :: pos_integer(), Selects :: pos_integer()}.
-type group() :: #{selects := [{Actor :: pid(), [{socket(), reference()}]}], calls := [gosocket_test_lib:call()]}.

-spec waiting(often(), node()) -> map().
waiting(Often, Node) ->
    There = gosocket_test_cluster:actor(Node),
    ThereToo = gosocket_test_cluster:actor(Node),
    Watched = unconnected({inet, stream}),
    ok = ?S:setopt(Watched, otp, controlling_process, ThereToo),
    Caller = fun(Call) -> gosocket_test_cluster:start(Node, Call) end,
    #{local => group(Often, fun(Make) -> Make() end, fun gosocket_test_lib:actor/0, fun gosocket_test_lib:start/1),
      from => group(?FEW, fun(Make) -> Make() end, fun() -> gosocket_test_cluster:actor(Node) end, Caller),
      at => group(?FEW, fun(Make) -> run(There, Make) end, fun gosocket_test_lib:actor/0, fun gosocket_test_lib:start/1),
      watched => Watched,
      helper => helper_os_pid(),
      keepers => [There, ThereToo]}.

-spec group(often(), fun((fun(() -> T)) -> T), fun(() -> pid()), fun()) -> group().
group({Often, Holders}, Home, Actor, Caller) ->
    Port = get(?MODULE),
    Connecting = Home(fun() -> connecting(Port, Holders + 1) end),
    Called = Home(fun() -> targets(1) end),
    Selected = Home(fun() -> targets(Often) end),
    {[Connects], Others} = lists:split(1, Connecting),
    Calls = [Caller(fun() -> call(Target, infinity) end)
             || {Count, Target} <- [{1, Connects} | [{?CALLERS, Target} || Target <- Called]], _ <- lists:seq(1, Count)],
    lists:foreach(fun({Function, Socket, _}) -> ok = await_parked(Socket, parked(Function), ?CALLERS) end, Called),
    #{selects => [begin
                      Pid = Actor(),
                      {Pid, run(Pid, fun() -> [{element(2, Target), select(Target)} || Target <- [Own | Selected]] end)}
                  end || Own <- Others],
      calls => Calls,
      sockets => [Socket || {_, Socket, _} <- Called ++ Connecting ++ Selected]}.

%% For each kind of socket and call one that has to wait.
-spec targets(pos_integer()) -> [target()].
targets(Count) ->
    lists:append([[{recv, element(2, pair(Kind)), [0]} || Kind <- gosocket_test_net:kinds()]
                  ++ [{recvfrom, element(2, pair({inet, dgram})), [0]},
                      {recvmsg, element(2, pair({local, stream})), [[]]},
                      {accept, listener({inet, stream}), []},
                      {send, full(), [binary:copy(<<"x">>, 100000)]}]
                  || _ <- lists:seq(1, Count)]).

-spec full() -> socket().
full() ->
    {Socket, _} = small_pair({local, stream}),
    _ = gosocket_test_net:fill(Socket),
    Socket.

-spec connecting(inet:port_number(), pos_integer()) -> [target()].
connecting(Port, Count) ->
    [{connect, unconnected({inet, stream}), [#{family => inet, addr => loopback, port => Port}]} || _ <- lists:seq(1, Count)].

%% One that no death closes: that of the VM's own sockets. Full as in gosocket_test_net.
-spec with_full_listener(fun(() -> term())) -> term().
with_full_listener(Test) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, {backlog, 0}]),
    {ok, Port} = inet:port(Listener),
    Clients = fill(Port, []),
    put(?MODULE, Port),
    _ = Test(),
    lists:foreach(fun gen_tcp:close/1, [Listener | Clients]).

-spec fill(inet:port_number(), [gen_tcp:socket()]) -> [gen_tcp:socket()].
fill(Port, Clients) ->
    case gen_tcp:connect({127, 0, 0, 1}, Port, [], 100) of
        {ok, Client} -> fill(Port, [Client | Clients]);
        {error, timeout} -> Clients
    end.

-spec call(target(), timeout() | nowait) -> term().
call({Function, Socket, Arguments}, Timeout) ->
    apply(?S, Function, [Socket | Arguments] ++ [Timeout]).

-spec select(target()) -> reference().
select(Target) ->
    {select, {select_info, _, Ref}} = call(Target, nowait),
    Ref.

-spec parked(atom()) -> atom().
parked(accept) -> num_acceptors;
parked(send) -> num_writers;
parked(_) -> num_readers.

%% ---- what becomes of them ----

%% Those of the groups have their answers and aborts within a second of the end; the others go on waiting.
-spec ends([atom()], map(), fun(() -> term())) -> ok.
ends(Groups, #{helper := Helper} = Waiting, End) ->
    {Elapsed, _} = elapsed(fun() ->
        End(),
        [?assertEqual({Group, [closed]}, {Group, lists:usort([reason(result(Call)) || Call <- Calls])})
         || {Group, #{calls := Calls}} <- groups(Groups, Waiting)],
        [?assertEqual({Group, []}, {Group, run(Actor, fun() -> missing(Armed) end)})
         || {Group, #{selects := Selects}} <- groups(Groups, Waiting), {Actor, Armed} <- Selects]
    end),
    ?assert(Elapsed < ?SECOND * slack()),
    works(),
    not lists:member(local, Groups) orelse wait_until(fun() -> not helper_alive(Helper) end),
    wait_until(fun is_tidy/0),
    [?assertEqual({Group, []}, {Group, run(Actor, fun messages/0)})
     || {Group, #{selects := Selects}} <- groups(?GROUPS, Waiting), {Actor, _} <- Selects],
    [?assertEqual({Group, true}, {Group, lists:all(fun is_waiting/1, Calls)})
     || {Group, #{calls := Calls}} <- groups(?GROUPS -- Groups, Waiting)],
    forget(Waiting).

-spec groups([atom()], map()) -> [{atom(), group()}].
groups(Names, Waiting) ->
    maps:to_list(maps:with(Names, Waiting)).

-spec reason(term()) -> term().
reason({error, {Reason, _}}) -> Reason;
reason({error, Reason}) -> Reason;
reason(Other) -> Other.

%% Takes the abort of each.
-spec missing([{socket(), reference()}]) -> [reference()].
missing(Armed) ->
    [Ref || {Socket, Ref} <- Armed, not aborted(Socket, Ref)].

-spec aborted(socket(), reference()) -> boolean().
aborted(Socket, Ref) ->
    receive
        {'$socket', Socket, abort, {Ref, closed}} -> true
    after ?SECOND * slack() ->
        false
    end.

-spec messages() -> [term()].
messages() ->
    receive
        {'$socket', _, _, _} = Message -> [Message | messages()]
    after 0 ->
        []
    end.

-spec is_waiting(gosocket_test_lib:call()) -> boolean().
is_waiting({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, _} -> false
    after 0 ->
        true
    end.

-spec works() -> ok.
works() ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"again">>),
    {ok, <<"again">>} = ?S:recv(B, 5, ?PATIENCE),
    ok = ?S:close(A),
    ok = ?S:close(B).

%% Of what there is one of, there is one; a table for each lane and each process that is one; nothing in the mailboxes.
-spec is_tidy() -> boolean().
is_tidy() ->
    Running = processes_of_application(),
    Labels = lists:sort([Label || {{Module, _} = Label, _} <- Running, Module =/= gosocket_far]),
    Lanes = [Pid || {{Module, _}, Pid} <- Running, Module =:= gosocket_lane orelse Module =:= gosocket_remote],
    Labels =:= lists:usort(Labels)
        andalso length(Lanes) =:= length([Table || Table <- ets:all(), ets:info(Table, name) =:= gosocket_selects])
        andalso lists:all(fun({_, Pid}) -> erlang:process_info(Pid, message_queue_len) =:= {message_queue_len, 0} end, Running).

%% Whoever still waits, and the sockets. The death of the owner of one at the other node is heard of in any case.
-spec forget(map()) -> ok.
forget(#{keepers := Keepers, watched := Watched} = Waiting) ->
    [begin
         [exit(Pid, kill) || {Pid, _} <- Calls],
         [kill(Actor) || {Actor, _} <- Selects]
     end || {_, #{calls := Calls, selects := Selects}} <- groups(?GROUPS, Waiting)],
    lists:foreach(fun gosocket_test_lib:kill/1, Keepers),
    wait_until(fun() -> ?S:sockname(Watched) =:= {error, closed} end),
    [?S:close(Socket) || Socket <- ?S:which_sockets()],
    [receive {'DOWN', Monitor, _, _, _} -> ok after 0 -> demonitor(Monitor, [flush]) end
     || {_, #{calls := Calls}} <- groups(?GROUPS, Waiting), {_, Monitor} <- Calls],
    ok.

-spec with_another_node(fun((node()) -> term())) -> ok.
with_another_node(Test) ->
    Node = gosocket_test_cluster:start_node(),
    _ = with_full_listener(fun() -> Test(Node) end),
    gosocket_test_cluster:stop_node(Node).
