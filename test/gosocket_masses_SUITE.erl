%% Faults while there is much of everything: 10,000 sockets, 1,000 calls and 1,000 selects that wait. All are answered in time, each
%% select has one abort, nothing is left, and a new socket opens at once. GOSOCKET_MASSES=20 has each fault 20 times in a row.
%% And callers that are stopped, or end by their own size; a log that nobody takes.
-module(gosocket_masses_SUITE).

-export([
    killed_helper_answers_all/1,
    stopped_helper_answers_all/1,
    killed_lane_answers_all/1,
    stopped_application_answers_all/1,
    killed_node_ends_its_helper_at_once/1,
    killed_node_ends_a_stopped_helper/1,
    suspended_callers_hold_up_nobody/1,
    callers_that_outgrow_their_heap_hold_up_nobody/1,
    busy_scheduler_ends_nobody/1,
    log_on_a_full_disk_holds_up_nobody/1,
    log_behind_a_dead_reader_holds_up_nobody/1,
    log_that_nobody_reads_holds_up_nobody/1
]).

%% In a node of its own.
-export([crowd/0, starve/0]).

-define(OURS, []).
-define(BESIDE, [
    killed_helper_answers_all,
    stopped_helper_answers_all,
    killed_lane_answers_all,
    stopped_application_answers_all,
    busy_scheduler_ends_nobody
]).
-include("gosocket_test.hrl").

-define(SOCKETS, 10000).
-define(CALLS, 1000).
-define(SELECTS, 1000).
%% Milliseconds until all are answered; a helper that is stopped is noticed after 5 s.
-define(AT_ONCE, 1000).
-define(STOPPED, 6000).
-define(OPENED, 500).

-spec killed_helper_answers_all(config()) -> term().
killed_helper_answers_all(_) ->
    masses(helper_killed, fun() -> signal("KILL", helper_os_pid()) end, ?AT_ONCE).

-spec stopped_helper_answers_all(config()) -> term().
stopped_helper_answers_all(_) ->
    masses(helper_stopped, fun() -> signal("STOP", helper_os_pid()) end, ?STOPPED).

-spec killed_lane_answers_all(config()) -> term().
killed_lane_answers_all(_) ->
    masses(lane_killed, fun() -> exit(lane(), kill) end, ?AT_ONCE).

-spec stopped_application_answers_all(config()) -> term().
stopped_application_answers_all(_) ->
    masses(application_stopped, fun() -> application:stop(gosocket) end, ?AT_ONCE).

-spec masses(atom(), fun(() -> term()), pos_integer()) -> ok.
masses(What, Break, Limit) ->
    needs_descriptors(),
    Rounds = rounds(),
    Slack = slack(),
    ct:timetrap({minutes, 1 + Rounds}),
    Figures = gosocket_test_node:alone(fun() -> [mass(Break) || _ <- lists:seq(1, Rounds)] end, (1 + Rounds) * 60000),
    io:format(user, "~nfigure: ~p, ~b times: at most ~b ms until all were answered, ~b ms until a socket opened~n",
              [What, Rounds, lists:max([Answered || {Answered, _} <- Figures]), lists:max([Opened || {_, Opened} <- Figures])]),
    ?assertEqual([], [Figure || {Answered, Opened} = Figure <- Figures, Answered > Slack * Limit orelse Opened > Slack * ?OPENED]).

-spec needs_descriptors() -> ok.
needs_descriptors() ->
    case string:to_integer(os:cmd("ulimit -Hn")) of
        {Most, _} when is_integer(Most) -> skip_unless(Most > ?SOCKETS + 500, "programs may have too few descriptors here");
        {error, _} -> ok % unlimited
    end.

-spec rounds() -> pos_integer().
rounds() ->
    list_to_integer(os:getenv("GOSOCKET_MASSES", "1")).

%% How long it took until all that waited was answered, and then until a socket could be opened.
-spec mass(fun(() -> term())) -> {Answered :: non_neg_integer(), Opened :: non_neg_integer()}.
mass(Break) ->
    {ok, First} = ?S:open(inet, dgram),
    Before = inventory(),
    {Reading, Selecting} = {sockets(?CALLS), sockets(?SELECTS)},
    Idle = sockets(?SOCKETS - ?CALLS - ?SELECTS - 1),
    Calls = [start(fun() -> ?S:recvfrom(Socket, 0) end) || Socket <- Reading],
    Selects = [begin
                   {select, {select_info, _, Ref}} = ?S:recvfrom(Socket, 0, nowait),
                   {Socket, Ref}
               end || Socket <- Selecting],
    [await_parked(Socket, num_readers, 1) || Socket <- lists:nthtail(?CALLS - 20, Reading)],
    ?assertEqual(?SOCKETS, ?S:number_of()),
    {Answered, _} = elapsed(fun() ->
        _ = Break(),
        [?assertEqual({error, closed}, result(Call)) || Call <- Calls],
        [receive
             {'$socket', Socket, abort, {Ref, closed}} -> ok
         after ?PATIENCE -> ct:fail({no_abort, Socket})
         end || {Socket, Ref} <- Selects]
    end),
    {Opened, Socket} = elapsed(fun open/0),
    ?assertEqual(none, receive {'$socket', _, _, _} = Another -> Another after 0 -> none end),
    ?assertEqual({error, closed}, ?S:sockname(lists:last(Idle))),
    ?assertEqual({error, closed}, ?S:close(First)),
    ?assertEqual([Socket], ?S:which_sockets()),
    wait_until(fun() -> inventory() =:= Before end),
    close({Socket}),
    {Answered, Opened}.

-spec sockets(pos_integer()) -> [socket()].
sockets(Count) ->
    [begin
         {ok, Socket} = ?S:open(inet, dgram),
         Socket
     end || _ <- lists:seq(1, Count)].

%% The death of a helper is no call: an open may come before the node knows of it.
-spec open() -> socket().
open() ->
    case ?S:open(inet, dgram) of
        {ok, Socket} -> Socket;
        {error, closed} -> open()
    end.

%% What there is of the VM's own, and of the helper.
-spec inventory() -> term().
inventory() ->
    #{sockets := Sockets, waiting := Waiting, selects := Selects, calls_waiting := Calls, parked_bytes := Parked} =
        gosocket_metrics:statistics(default),
    {monitors, Monitors} = erlang:process_info(lane(), monitors),
    Armed = lists:sum([ets:info(Table, size) || Table <- ets:all(), ets:info(Table, owner) =:= whereis(gosocket_guardian)]),
    {length(processes()), length(erlang:ports()), length(ets:all()), length(Monitors), Armed, Sockets, Waiting, Selects, Calls, Parked}.

%% ---- the end of the VM ----

-spec killed_node_ends_its_helper_at_once(config()) -> term().
killed_node_ends_its_helper_at_once(_) ->
    killed_node("", fun(_Helper) -> ok end).

%% The kernel continues it when the program that has started it for the node ends.
-spec killed_node_ends_a_stopped_helper(config()) -> term().
killed_node_ends_a_stopped_helper(_) ->
    killed_node(", stopped,", fun(Helper) ->
        ok = signal("STOP", Helper),
        wait_until(fun() -> is_in_state("T", Helper) end)
    end).

-spec killed_node(string(), fun((Helper :: pos_integer()) -> ok)) -> term().
killed_node(How, Before) ->
    needs_descriptors(),
    ct:timetrap({minutes, 1 + rounds()}),
    Times = [begin
        Node = gosocket_test_node:start(?MODULE, crowd, [], []),
        {Said, Crowd} = gosocket_test_node:await_said(Node, "helper"),
        Helper = list_to_integer(Said),
        true = helper_alive(Helper),
        ok = Before(Helper),
        ok = signal("KILL", gosocket_test_node:os_pid(Node)),
        {Elapsed, ok} = elapsed(fun() -> wait_until(fun() -> has_ended(Helper) end) end),
        {{exit_status, _}, _} = gosocket_test_node:wait(Crowd),
        Elapsed
    end || _ <- lists:seq(1, rounds())],
    io:format(user, "~nfigure: node killed with ~b sockets under load, ~b times: its helper~s gone after at most ~b ms~n",
              [?SOCKETS, length(Times), How, lists:max(Times)]),
    ?assertEqual([], [Time || Time <- Times, Time > 200 * slack()]).

%% Whoever takes over the children of a dead VM may take its time to ask for their status: until then they are zombies.
-spec has_ended(pos_integer()) -> boolean().
has_ended(OsPid) ->
    is_in_state("[ZX]", OsPid) orelse not filelib:is_file("/proc/" ++ integer_to_list(OsPid)).

-spec is_in_state(string(), pos_integer()) -> boolean().
is_in_state(State, OsPid) ->
    case file:read_file("/proc/" ++ integer_to_list(OsPid) ++ "/status") of
        {ok, Status} -> re:run(Status, "State:\\s*" ++ State, [{capture, none}]) =:= match;
        {error, _} -> false
    end.

%% 10,000 sockets, of which some are busy, until the end of this VM.
-spec crowd() -> no_return().
crowd() ->
    _ = sockets(?SOCKETS - 40),
    [spawn(fun() ->
         {A, B} = pair({inet, stream}),
         busy(A, B)
     end) || _ <- lists:seq(1, 20)],
    wait_until(fun() -> ?S:number_of() >= ?SOCKETS end),
    io:format("helper ~b~n", [helper_os_pid()]),
    receive stop -> halt() end.

-spec busy(socket(), socket()) -> no_return().
busy(A, B) ->
    ok = ?S:send(A, <<"busy">>),
    {ok, <<"busy">>} = ?S:recv(B, 4),
    busy(A, B).

%% ---- callers ----

%% The lane runs on the only scheduler of its node, which others of a higher priority have for longer than a helper may say nothing. That
%% is no silence of the helper: who waits goes on to wait, and is answered.
-spec busy_scheduler_ends_nobody(config()) -> term().
busy_scheduler_ends_nobody(_) ->
    Node = gosocket_test_node:start(?MODULE, starve, [], [], ["+S", "1:1"]),
    ?assertMatch({{returned, ok}, _}, gosocket_test_node:wait(Node, 4 * ?PATIENCE)).

-spec starve() -> ok.
starve() ->
    {A, B} = pair({inet, stream}),
    {_, Other} = pair({inet, stream}),
    Helper = helper_os_pid(),
    Reader = start(fun() -> ?S:recv(B, 4) end),
    %% the helper has been asked for a sign of life
    ?assertEqual({error, timeout}, ?S:recv(Other, 4, 1500)),
    Timed = start(fun() -> ?S:recv(Other, 4, 1000) end),
    [await_parked(Socket, num_readers, 1) || Socket <- [B, Other]],
    {Greedy, Monitor} = spawn_opt(fun() -> spin(erlang:monotonic_time(millisecond) + 7000) end, [monitor, {priority, high}]),
    receive {'DOWN', Monitor, process, Greedy, normal} -> ok end,
    ?assertEqual({error, timeout}, result(Timed)),
    ok = ?S:send(A, <<"data">>),
    ?assertEqual({ok, <<"data">>}, result(Reader)),
    ?assertEqual({error, timeout}, ?S:recv(B, 1, 3000)),
    ?assertEqual(Helper, helper_os_pid()),
    close([A, B]).

-spec spin(Until :: integer()) -> ok.
spin(Until) ->
    case erlang:monotonic_time(millisecond) < Until of
        true -> spin(Until);
        false -> ok
    end.

-spec suspended_callers_hold_up_nobody(config()) -> term().
suspended_callers_hold_up_nobody(_) ->
    Pairs = [pair({inet, stream}) || _ <- lists:seq(1, 50)],
    Callers = [start(fun() -> ?S:recv(B, 5) end) || {_, B} <- Pairs],
    [await_parked(B, num_readers, 1) || {_, B} <- Pairs],
    [true = erlang:suspend_process(Pid) || {Pid, _} <- Callers],
    [ok = ?S:send(A, <<"hello">>) || {A, _} <- Pairs],
    works(),
    %% whoever reads behind them is not held up by a caller that lives and has its data, though it has not looked
    [begin
         ok = ?S:send(A, <<"again">>),
         ?assertEqual({ok, <<"again">>}, ?S:recv(B, 5, ?PATIENCE))
     end || {A, B} <- Pairs],
    [true = erlang:resume_process(Pid) || {Pid, _} <- Callers],
    ?assertEqual([{ok, <<"hello">>}], lists:usort([result(Caller) || Caller <- Callers])),
    [close(Pair) || Pair <- Pairs].

-spec works() -> ok.
works() ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"works">>),
    ?assertEqual({ok, <<"works">>}, ?S:recv(B, 5, ?PATIENCE)),
    close({A, B}).

%% Small data count for the heap. What a dead reader had is read by the next one, if it died before it got it, and never twice.
-spec callers_that_outgrow_their_heap_hold_up_nobody(config()) -> term().
callers_that_outgrow_their_heap_hold_up_nobody(_) ->
    {A, B} = pair({inet, stream}),
    Data = << <<N:32>> || N <- lists:seq(1, 20000) >>,
    Sender = start(fun() -> ?S:send(A, Data) end),
    Test = self(),
    Deaths = [begin
        {Pid, Monitor} = spawn_opt(fun() -> hoard(Test, B, []) end, [monitor, {max_heap_size, #{size => 3000, kill => true, error_logger => false}}]),
        receive {'DOWN', Monitor, process, Pid, Reason} -> Reason after ?PATIENCE -> ct:fail(lives) end
    end || _ <- lists:seq(1, 10)],
    ?assertEqual([killed], lists:usort(Deaths)),
    {ok, <<Next:32>>} = ?S:recv(B, 4, ?PATIENCE),
    %% each may have died with a result that it had not told of yet
    Had = lists:sort(had()),
    ?assertEqual(lists:usort(Had), Had),
    ?assert(lists:last(Had) < Next),
    ?assert(Next =< length(Had) + 1 + length(Deaths), {Next, length(Had)}),
    close({B}),
    _ = result(Sender),
    close({A}),
    works().

-spec hoard(pid(), socket(), [binary()]) -> no_return().
hoard(Test, Socket, Hoarded) ->
    {ok, <<N:32>> = Data} = ?S:recv(Socket, 4),
    Test ! {had, N},
    hoard(Test, Socket, [binary:copy(Data) | Hoarded]).

-spec had() -> [pos_integer()].
had() ->
    receive {had, N} -> [N | had()] after 0 -> [] end.

%% ---- the log ----

-spec log_on_a_full_disk_holds_up_nobody(config()) -> term().
log_on_a_full_disk_holds_up_nobody(Config) ->
    logs_to("full", "exec 2>/dev/full\nexec", Config).

-spec log_behind_a_dead_reader_holds_up_nobody(config()) -> term().
log_behind_a_dead_reader_holds_up_nobody(Config) ->
    logs_to("dead", fifo("exec true", Config), Config).

-spec log_that_nobody_reads_holds_up_nobody(config()) -> term().
log_that_nobody_reads_holds_up_nobody(Config) ->
    logs_to("unread", fifo("exec sleep 5", Config), Config).

-spec fifo(string(), config()) -> string().
fifo(Reader, Config) ->
    Path = filename:join(proplists:get_value(priv_dir, Config), unique()),
    "mkfifo " ++ Path ++ "\n(" ++ Reader ++ ") <" ++ Path ++ " >/dev/null 2>&1 &\nexec 2>" ++ Path ++ "\nrm " ++ Path ++ "\nexec".

-spec logs_to(string(), string(), config()) -> ok.
logs_to(Name, Command, Config) ->
    gosocket_test_fd:with_helper(gosocket_test_fd:write_script(Name, Command, Config), fun() ->
        ok = ?S:debug(true),
        try
            {A, B} = pair({inet, stream}),
            Text = binary:copy(<<"x">>, 200),
            [begin
                 ok = ?S:send(A, Text),
                 {ok, Text} = ?S:recv(B, 200, ?PATIENCE)
             end || _ <- lists:seq(1, 2000)],
            close({A, B})
        after
            ok = ?S:debug(false)
        end,
        works()
    end).
