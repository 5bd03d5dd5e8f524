%% Helper killed, helper stopped, lane killed: everybody who waits has an answer, and the next open works.
-module(gosocket_crash_SUITE).

-export([
    killed_helper_ends_every_blocking_call/1,
    killed_lane_ends_every_blocking_call/1,
    callers_are_told_by_a_lane_that_ends/1,
    stopped_helper_ends_every_blocking_call_within_six_seconds/1,
    killed_helper_aborts_every_select_once/1,
    killed_lane_aborts_every_select_once/1,
    stopped_helper_aborts_every_select_within_six_seconds/1,
    fired_and_cancelled_selects_are_not_aborted/1,
    old_handles_say_closed_in_every_call/1,
    old_handles_keep_their_info/1,
    next_open_works_at_once/1,
    fifty_deaths_in_a_row_wear_nothing_out/1,
    calls_racing_with_the_death_of_the_helper_all_end/1,
    opens_racing_with_the_death_of_the_helper_all_end/1,
    frames_received_of_a_recv_are_returned/1,
    send_tells_what_was_not_reported_taken/1,
    stopped_helper_with_full_pipes_holds_nobody_longer/1,
    helper_stopped_for_two_seconds_goes_on/1,
    helper_ignores_the_signals_of_service_managers/1,
    killed_lane_leaves_no_helper_behind/1,
    orderly_ends_leave_no_stopped_helper_behind/1,
    ends_of_what_is_shared_leave_no_stopped_helper_behind/1,
    only_the_helper_itself_is_seen_off/1,
    helper_of_another_program_is_seen_off/1,
    helper_with_the_number_of_another_process_ends_itself_only/1,
    killed_node_leaves_no_helper_behind/1,
    node_stopped_for_seven_seconds_keeps_its_helper/1
]).

-define(OURS, []).
-define(BESIDE, [
    stopped_helper_ends_every_blocking_call_within_six_seconds,
    stopped_helper_aborts_every_select_within_six_seconds,
    stopped_helper_with_full_pipes_holds_nobody_longer,
    helper_stopped_for_two_seconds_goes_on,
    ends_of_what_is_shared_leave_no_stopped_helper_behind,
    helper_of_another_program_is_seen_off,
    helper_with_the_number_of_another_process_ends_itself_only,
    killed_node_leaves_no_helper_behind,
    node_stopped_for_seven_seconds_keeps_its_helper
]).
-define(ONE_LANE, [calls_racing_with_the_death_of_the_helper_all_end]).
-include("gosocket_test.hrl").

%% From a stopped helper to the last answer, with something for a busy machine.
-define(SIX_SECONDS, 6500).

%% ---- blocking calls ----

-spec killed_helper_ends_every_blocking_call(config()) -> term().
killed_helper_ends_every_blocking_call(_) ->
    ends_every_blocking_call(fun kill_helper/0).

-spec killed_lane_ends_every_blocking_call(config()) -> term().
killed_lane_ends_every_blocking_call(_) ->
    ends_every_blocking_call(fun kill_lane/0).

-spec stopped_helper_ends_every_blocking_call_within_six_seconds(config()) -> term().
stopped_helper_ends_every_blocking_call_within_six_seconds(_) ->
    gosocket_test_node:alone(fun() -> ends_every_blocking_call(fun stop_helper/0) end).

%% Those that wait for less than half a second have no monitor yet: they hear of it from the lane, which no monitor does for it.
-spec callers_are_told_by_a_lane_that_ends(config()) -> term().
callers_are_told_by_a_lane_that_ends(_) ->
    [begin
         {_, B} = pair({inet, stream}),
         {Caller, _} = Call = start(fun() -> ?S:recv(B, 0) end),
         await_parked(B, num_readers, 1),
         Lane = lane(),
         1 = erlang:trace(Caller, true, ['receive']),
         ok = Break(),
         ?assertEqual({error, closed}, result(Call)),
         receive {trace, Caller, 'receive', {_, {gone, Lane, _}}} -> ok after ?PATIENCE -> ct:fail(nobody_told_it) end,
         works_eventually()
     end || Break <- [fun kill_helper/0, fun kill_guardian/0]].

-spec kill_guardian() -> ok.
kill_guardian() ->
    exit(whereis(gosocket_guardian), kill),
    ok.

-spec kill_helper() -> ok.
kill_helper() ->
    signal("KILL", helper_os_pid()).

-spec stop_helper() -> ok.
stop_helper() ->
    signal("STOP", helper_os_pid()).

-spec kill_lane() -> ok.
kill_lane() ->
    exit(lane(), kill),
    ok.

-spec ends_every_blocking_call(fun(() -> ok)) -> ok.
ends_every_blocking_call(Break) ->
    Calls = [{Name, gosocket_test_blocked:start(gosocket_test_blocked:make(Name), Timeout)}
             || Name <- gosocket_test_blocked:names(), Timeout <- [infinity, 600000]],
    ok = Break(),
    {Elapsed, Results} = elapsed(fun() ->
        [{Name, gosocket_test_blocked:outcome(Name, result(Call))} || {Name, Call} <- Calls]
    end),
    ?assertEqual([{Name, after_death(Name)} || {Name, _} <- Calls], Results),
    ?assert(Elapsed =< ?SIX_SECONDS),
    works_again().

%% What had been read for a recv was still in the helper.
-spec after_death(gosocket_test_blocked:name()) -> {error, term()}.
after_death(recv_part) -> {error, closed};
after_death(Name) -> gosocket_test_blocked:error(Name, closed).

-spec works_again() -> ok.
works_again() ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"again">>),
    ?assertEqual({ok, <<"again">>}, ?S:recv(B, 5, ?PATIENCE)),
    close({A, B}).

%% ---- selects ----

-spec killed_helper_aborts_every_select_once(config()) -> term().
killed_helper_aborts_every_select_once(_) ->
    aborts_every_select_once(fun kill_helper/0).

-spec killed_lane_aborts_every_select_once(config()) -> term().
killed_lane_aborts_every_select_once(_) ->
    aborts_every_select_once(fun kill_lane/0).

-spec stopped_helper_aborts_every_select_within_six_seconds(config()) -> term().
stopped_helper_aborts_every_select_within_six_seconds(_) ->
    gosocket_test_node:alone(fun() -> aborts_every_select_once(fun stop_helper/0) end).

-spec aborts_every_select_once(fun(() -> ok)) -> ok.
aborts_every_select_once(Break) ->
    Situations = [gosocket_test_blocked:make(Name) || Name <- gosocket_test_blocked:select_calls()],
    Selects = [{Socket, gosocket_test_blocked:select(Situation)} || #{socket := Socket} = Situation <- Situations],
    ok = Break(),
    {Elapsed, _} = elapsed(fun() ->
        [await_abort(Socket, SelectInfo, closed) || {Socket, SelectInfo} <- Selects]
    end),
    ?assert(Elapsed =< ?SIX_SECONDS),
    works_again(),
    ?assertEqual(none, receive {'$socket', _, _, _} = Message -> Message after 0 -> none end).

-spec fired_and_cancelled_selects_are_not_aborted(config()) -> term().
fired_and_cancelled_selects_are_not_aborted(_) ->
    {A, B} = pair({inet, stream}),
    {C, D} = pair({inet, stream}),
    {select, Fired} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"x">>),
    await_select(B, Fired),
    {select, Cancelled} = ?S:recv(D, 0, nowait),
    ok = ?S:cancel(D, Cancelled),
    {select, Armed} = ?S:recv(C, 0, nowait),
    ok = kill_lane(),
    await_abort(C, Armed, closed),
    works_again(),
    ?assertEqual(none, receive {'$socket', _, _, _} = Message -> Message after 0 -> none end).

%% ---- afterwards ----

-spec old_handles_say_closed_in_every_call(config()) -> term().
old_handles_say_closed_in_every_call(_) ->
    Address = #{family => inet, addr => loopback, port => 9},
    Calls = [{bind, [loopback]}, {connect, [Address]}, {connect, [Address, nowait]}, {connect, []}, {listen, []}, {accept, []},
             {accept, [nowait]}, {recv, []}, {recv, [0, nowait]}, {recvfrom, []}, {recvmsg, []}, {send, [<<"x">>]},
             {send, [<<"x">>, nowait]}, {sendto, [<<"x">>, Address]}, {sendmsg, [#{iov => [<<"x">>]}]}, {shutdown, [write]},
             {sockname, []}, {peername, []}, {getopt, [otp, rcvbuf]}, {getopt, [socket, type]}, {setopt, [otp, rcvbuf, 1]},
             {cancel, [{select_info, recv, make_ref()}]}, {close, []}],
    [begin
         Socket = unconnected({inet, stream}),
         ok = Break(),
         works_eventually(),
         [?assertEqual({Function, closed(Function)}, {Function, apply(?S, Function, [Socket | Arguments])})
          || {Function, Arguments} <- Calls]
     end || Break <- [fun kill_helper/0, fun kill_lane/0]].

-spec closed(atom()) -> {error, term()}.
closed(Function) when Function =:= send; Function =:= sendto -> {error, {closed, 1}};
closed(_) -> {error, closed}.

%% The death of the helper is no call: an open may come before the node knows of it.
-spec works_eventually() -> ok.
works_eventually() ->
    wait_until(fun() ->
        case ?S:open(inet, stream) of
            {ok, Socket} -> ?S:close(Socket) =:= ok;
            {error, closed} -> false
        end
    end).

-spec old_handles_keep_their_info(config()) -> term().
old_handles_keep_their_info(_) ->
    {A, B} = pair({inet, stream}),
    ok = kill_helper(),
    ?assertEqual({error, closed}, ?S:recv(B, 0)),
    ?assertMatch(#{domain := inet, type := stream, protocol := tcp, ctype := normal, ctrl := undefined, num_readers := 0,
                   num_writers := 0, num_acceptors := 0, readable := false, writable := false, counters := #{}}, ?S:info(A)).

%% Whether or not the lane has noticed yet.
-spec next_open_works_at_once(config()) -> term().
next_open_works_at_once(_) ->
    [begin
         ok = Break(),
         {ok, Socket} = ?S:open(inet, stream),
         ok = ?S:close(Socket)
     end || _ <- lists:seq(1, 5),
            Break <- [fun kill_and_await/0, fun kill_lane_and_await/0, fun kill_helper/0, fun kill_lane/0]].

-spec kill_and_await() -> ok.
kill_and_await() ->
    Monitor = erlang:monitor(process, lane()),
    ok = kill_helper(),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

-spec kill_lane_and_await() -> ok.
kill_lane_and_await() ->
    Monitor = erlang:monitor(process, lane()),
    ok = kill_lane(),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

-spec fifty_deaths_in_a_row_wear_nothing_out(config()) -> term().
fifty_deaths_in_a_row_wear_nothing_out(_) ->
    Closing = [begin
         {ok, Socket} = ?S:open(inet, stream),
         ok = Break(),
         start(fun() -> ?S:close(Socket) end)
     end || _ <- lists:seq(1, case is_short() of true -> 5; false -> 25 end), Break <- [fun kill_and_await/0, fun kill_lane_and_await/0]],
    ?assertEqual([{error, closed}], lists:usort([result(Call) || Call <- Closing])),
    works_again().

%% ---- races ----

-spec calls_racing_with_the_death_of_the_helper_all_end(config()) -> term().
calls_racing_with_the_death_of_the_helper_all_end(_) ->
    [begin
         Callers = [start(fun() -> call_till_closed(unconnected({inet, dgram})) end) || _ <- lists:seq(1, 200)],
         wait_until(fun() -> length(?S:which_sockets()) >= 200 end),
         ok = Break(),
         ?assertEqual(lists:duplicate(200, {error, closed}), [result(Caller) || Caller <- Callers]),
         works_eventually()
     end || Break <- [fun kill_helper/0, fun kill_lane/0, fun kill_helper/0, fun kill_lane/0]].

-spec call_till_closed(socket()) -> term().
call_till_closed(Socket) ->
    case ?S:getopt(Socket, socket, type) of
        {ok, _} -> call_till_closed(Socket);
        Other -> Other
    end.

-spec opens_racing_with_the_death_of_the_helper_all_end(config()) -> term().
opens_racing_with_the_death_of_the_helper_all_end(_) ->
    [begin
         Test = self(),
         Openers = [start(fun() -> {ok, _} = ?S:open(inet, dgram), Test ! opened, open_till_closed() end)
                    || _ <- lists:seq(1, 50)],
         [receive opened -> ok end || _ <- Openers],
         ok = Break(),
         works_eventually(),
         %% who was lucky has its sockets from the next helper
         [Opener ! stop || {Opener, _} <- Openers],
         [?assert(lists:member(result(Opener), [{error, closed}, stopped])) || Opener <- Openers]
     end || Break <- [fun kill_helper/0, fun kill_lane/0, fun kill_helper/0, fun kill_lane/0]].

-spec open_till_closed() -> term().
open_till_closed() ->
    receive
        stop -> stopped
    after 0 ->
        case ?S:open(inet, dgram) of
            {ok, Socket} ->
                case ?S:close(Socket) of
                    ok -> open_till_closed();
                    Error -> Error
                end;
            Error ->
                Error
        end
    end.

%% ---- data on their way ----

%% More than a MiB arrives in parts: those that the caller has are its result.
-spec frames_received_of_a_recv_are_returned(config()) -> term().
frames_received_of_a_recv_are_returned(_) ->
    {A, B} = pair({inet, stream}),
    Data = random(5 bsl 20),
    Reader = start(fun() -> ?S:recv(B, byte_size(Data) + 1) end),
    ok = ?S:send(A, Data),
    wait_until(fun() -> maps:get(read_byte, maps:get(counters, ?S:info(B))) =:= byte_size(Data) end),
    ok = kill_helper(),
    {error, {closed, Part}} = result(Reader),
    ?assert(byte_size(Part) >= 1 bsl 20),
    ?assert(binary:part(Data, 0, byte_size(Part)) =:= Part).

-spec send_tells_what_was_not_reported_taken(config()) -> term().
send_tells_what_was_not_reported_taken(_) ->
    {A, B} = small_pair({inet, stream}),
    Size = 4 bsl 20,
    Writer = start(fun() -> ?S:send(A, binary:copy(<<"s">>, Size)) end),
    {ok, _} = ?S:recv(B, 2 bsl 20),
    ok = kill_helper(),
    {error, {closed, Left}} = result(Writer),
    ?assert(Left >= Size - (3 bsl 20) andalso Left =< Size).

%% The pipe to a stopped helper fills up: nobody may be suspended in it.
-spec stopped_helper_with_full_pipes_holds_nobody_longer(config()) -> term().
stopped_helper_with_full_pipes_holds_nobody_longer(_) ->
    gosocket_test_node:alone(fun full_pipes_of_a_stopped_helper_hold_nobody/0).

-spec full_pipes_of_a_stopped_helper_hold_nobody() -> ok.
full_pipes_of_a_stopped_helper_hold_nobody() ->
    Pairs = [pair({inet, stream}) || _ <- lists:seq(1, 20)],
    Data = random(8 bsl 20),
    ok = stop_helper(),
    Writers = [start(fun() -> ?S:send(A, Data) end) || {A, _} <- Pairs],
    Callers = [start(fun() -> ?S:getopt(B, socket, type) end) || {_, B} <- Pairs, _ <- lists:seq(1, 50)],
    {Elapsed, _} = elapsed(fun() ->
        [?assertEqual({error, closed}, result(Caller)) || Caller <- Callers],
        [?assertEqual({error, {closed, byte_size(Data)}}, result(Writer)) || Writer <- Writers]
    end),
    ?assert(Elapsed =< ?SIX_SECONDS),
    works_again().

%% ---- what is no death ----

-spec helper_stopped_for_two_seconds_goes_on(config()) -> term().
helper_stopped_for_two_seconds_goes_on(_) ->
    gosocket_test_node:alone(fun a_stop_of_two_seconds_ends_nothing/0).

-spec a_stop_of_two_seconds_ends_nothing() -> term().
a_stop_of_two_seconds_ends_nothing() ->
    {A, B} = pair({inet, stream}),
    Reader = start(fun() -> ?S:recv(B, 3) end),
    await_parked(B, num_readers, 1),
    Helper = helper_os_pid(),
    ok = signal("STOP", Helper),
    Writer = start(fun() -> ?S:send(A, <<"abc">>) end),
    receive
    after 2000 -> ok
    end,
    ok = signal("CONT", Helper),
    ?assertEqual(ok, result(Writer)),
    ?assertEqual({ok, <<"abc">>}, result(Reader)),
    ?assertEqual(Helper, helper_os_pid()),
    close({A, B}).

-spec helper_ignores_the_signals_of_service_managers(config()) -> term().
helper_ignores_the_signals_of_service_managers(_) ->
    {A, B} = pair({inet, stream}),
    Helper = helper_os_pid(),
    [begin
         ok = signal(Signal, Helper),
         ok = ?S:send(A, <<"x">>),
         ?assertEqual({Signal, {ok, <<"x">>}}, {Signal, ?S:recv(B, 1, ?PATIENCE)})
     end || Signal <- ["TERM", "INT", "HUP", "TSTP", "PIPE"]],
    ?assertEqual(Helper, helper_os_pid()),
    close({A, B}).

-spec killed_lane_leaves_no_helper_behind(config()) -> term().
killed_lane_leaves_no_helper_behind(_) ->
    works_again(),
    Helper = helper_os_pid(),
    ok = kill_lane(),
    wait_until(fun() -> not helper_alive(Helper) end),
    works_again().

%% It does not see its end of file, and would keep its ports bound.
-spec orderly_ends_leave_no_stopped_helper_behind(config()) -> term().
orderly_ends_leave_no_stopped_helper_behind(_) ->
    Ends = [fun() -> gosocket_lanes:stop(default) end, fun() -> application:stop(gosocket) end],
    gosocket_test_node:alone(fun() ->
        [begin
             {ok, Socket} = ?S:open(inet, stream, tcp),
             {ok, Port} = ?S:bind(Socket, loopback),
             ok = ?S:listen(Socket),
             Helper = helper_os_pid(),
             ok = signal("STOP", Helper),
             ok = End(),
             wait_until(fun() -> not helper_alive(Helper) end),
             {ok, Again} = ?S:open(inet, stream, tcp),
             ?assertMatch({ok, Port}, ?S:bind(Again, #{family => inet, addr => loopback, port => Port})),
             close([Again])
         end || End <- Ends]
    end).

%% Nor when what its lane needs is killed, and ends it in its own way.
-spec ends_of_what_is_shared_leave_no_stopped_helper_behind(config()) -> term().
ends_of_what_is_shared_leave_no_stopped_helper_behind(_) ->
    gosocket_test_node:alone(fun() ->
        [begin
             {ok, _} = ?S:open(inet, dgram),
             Helper = helper_os_pid(),
             ok = signal("STOP", Helper),
             exit(whereis(Shared), kill),
             wait_until(fun() -> not helper_alive(Helper) end)
         end || Shared <- [gosocket_heir, gosocket_guardian, gosocket_names, gosocket_sup]]
    end).

%% A process that runs has its time, and another one that has got the number of a helper is left alone.
-spec only_the_helper_itself_is_seen_off(config()) -> term().
only_the_helper_itself_is_seen_off(_) ->
    Port = open_port({spawn_executable, os:find_executable("sleep")}, [{args, ["60"]}]),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    {OsPid, Born} = Process = gosocket_helper:process(OsPid, Port),
    %% another one with whose number somebody says hello is none of ours
    ?assertEqual([Process, Process], [gosocket_helper:process(Other, Port) || Other <- [list_to_integer(os:getpid()), 1]]),
    Seen = start(fun() -> gosocket_helper:see_off(Process) end),
    receive after 2000 -> ok end,
    ?assert(helper_alive(OsPid)),
    kill(element(1, Seen)),
    ok = signal("STOP", OsPid),
    Later = {OsPid, <<Born/binary, "1">>},
    ?assertEqual([ok, ok], [gosocket_helper:see_off(Later), gosocket_helper:kill(Later)]),
    ?assert(helper_alive(OsPid)),
    ?assertEqual(ok, gosocket_helper:see_off(Process)),
    wait_until(fun() -> not helper_alive(OsPid) end).

%% The VM has started a shell, and that the helper.
-spec helper_of_another_program_is_seen_off(config()) -> term().
helper_of_another_program_is_seen_off(_) ->
    Program = element(2, file:read_link("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/exe")),
    gosocket_test_lanes:script([Program, " \"$@\"; true"], fun(Path) ->
        gosocket_test_lanes:fresh([{lanes, [{a, #{helper => Path}}]}], fun() ->
            [begin
                 {ok, _} = gosocket_lanes:start(a, #{}),
                 #{helper := Helper, pid := Lane} = gosocket_lanes:info(a),
                 ok = signal("STOP", Helper),
                 End(Lane),
                 wait_until(fun() -> not helper_alive(Helper) end),
                 gosocket_lanes:stop(a)
             end || End <- [fun(_) -> ok = gosocket_lanes:stop(a) end, fun(Lane) -> exit(Lane, kill) end]]
        end)
    end).

%% As one in a namespace of its own does it: whoever has its number here is left alone, whatever ends.
-spec helper_with_the_number_of_another_process_ends_itself_only(config()) -> term().
helper_with_the_number_of_another_process_ends_itself_only(_) ->
    Port = open_port({spawn_executable, os:find_executable("sleep")}, [{args, ["60"]}]),
    {os_pid, Other} = erlang:port_info(Port, os_pid),
    Hello = term_to_binary({hello, #{protocol => 0, version => <<"0">>, pid => Other, window => 65536, frame_limit => 1 bsl 22,
                                     message_limit => 1 bsl 22, loops => 1, protections => #{}}}),
    Bytes = [io_lib:format("\\~3.8.0b", [Byte]) || <<Byte>> <= <<(byte_size(Hello)):32, Hello/binary>>],
    gosocket_test_lanes:script(["echo $$ >$0.starts; printf '", Bytes, "'; exec sleep 1000"], fun(Path) ->
        gosocket_test_lanes:fresh([{lanes, [{a, #{helper => Path}}]}], fun() ->
            [begin
                 {ok, Lane} = gosocket_lanes:start(a, #{}),
                 {ok, Line} = file:read_file(Path ++ ".starts"),
                 Helper = binary_to_integer(string:trim(Line)),
                 true = helper_alive(Helper),
                 End(Lane),
                 wait_until(fun() -> not helper_alive(Helper) end),
                 gosocket_lanes:stop(a)
             end || End <- [fun(Lane) -> exit(Lane, kill) end, fun(_) -> {error, closed} = ?S:open(inet, dgram, udp, #{lane => a}) end]]
        end)
    end),
    ?assert(helper_alive(Other)),
    ok = signal("KILL", Other).

-spec killed_node_leaves_no_helper_behind(config()) -> term().
killed_node_leaves_no_helper_behind(_) ->
    Node = gosocket_test_node:start(gosocket_test_fresh, talk, [], []),
    {Helper, Talking} = gosocket_test_node:await_said(Node, "helper"),
    true = helper_alive(list_to_integer(Helper)),
    ok = signal("KILL", gosocket_test_node:os_pid(Node)),
    {{exit_status, _}, _} = gosocket_test_node:wait(Talking),
    wait_until(fun() -> not helper_alive(list_to_integer(Helper)) end).

%% A node that was stopped has not heard of its helper for long: that is no sign of its death.
-spec node_stopped_for_seven_seconds_keeps_its_helper(config()) -> term().
node_stopped_for_seven_seconds_keeps_its_helper(_) ->
    skip_unless(not is_short(), "it takes its time whatever the setting, and is run without one"),
    Node = gosocket_test_node:start(gosocket_test_fresh, waits, [], []),
    {Helper, Waiting} = gosocket_test_node:await_said(Node, "helper"),
    OsPid = gosocket_test_node:os_pid(Node),
    ok = signal("STOP", OsPid),
    receive
    after 7000 -> ok
    end,
    ok = signal("CONT", OsPid),
    {{returned, Result}, _} = gosocket_test_node:wait(Waiting, 30000),
    ?assertEqual({{error, timeout}, list_to_integer(Helper)}, Result).
