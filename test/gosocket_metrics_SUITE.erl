%% What lanes and helpers count, and who is told.
-module(gosocket_metrics_SUITE).

-export([
    statistics_count_what_happens/1,
    lane_that_does_not_run_is_not_started/1,
    lane_that_ends_while_it_is_looked_at_is_not_started/1,
    every_lane_has_statistics/1,
    default_lanes_have_statistics_together/1,
    prometheus_text_is_what_promtool_takes/1,
    prometheus_text_has_the_numbers/1,
    telemetry_hears_of_starts_and_ends/1,
    telemetry_that_fails_or_hangs_holds_up_nobody/1
]).

-define(OURS, []).
-define(ONE_LANE, [
    default_lanes_have_statistics_together,
    every_lane_has_statistics,
    prometheus_text_has_the_numbers,
    statistics_count_what_happens,
    telemetry_hears_of_starts_and_ends,
    telemetry_that_fails_or_hangs_holds_up_nobody
]).
-include("gosocket_test.hrl").

-spec statistics_count_what_happens(config()) -> term().
statistics_count_what_happens(_) ->
    {A, B} = pair({inet, stream}),
    Before = gosocket_metrics:statistics(default),
    [begin
         ok = ?S:send(A, <<"hello">>),
         {ok, <<"hello">>} = ?S:recv(B, 5)
     end || _ <- lists:seq(1, 20)],
    Reader = start(fun() -> ?S:recv(B, 0) end),
    await_parked(B, num_readers, 1),
    {select, _} = ?S:recv(A, 0, nowait),
    After = gosocket_metrics:statistics(default),
    Grown = fun(Key) -> maps:get(Key, After) - maps:get(Key, Before) end,
    Calls = fun(Name) -> maps:get(Name, maps:get(calls, After)) - maps:get(Name, maps:get(calls, Before)) end,
    ?assertEqual({20, 22, 0}, {Calls(send), Calls(recv), Calls(open)}),
    ?assertEqual({1, 1, 0}, {Grown(waiting), Grown(selects), Grown(sockets)}),
    ?assertEqual([], [Key || Key <- [requests, reads, bytes_in, writes, frames_out, bytes_out], Grown(Key) =< 0]),
    ?assertMatch(#{queue := _, lane_memory_bytes := _, descriptors := _, memory_bytes := _, loops := [#{lag_max_ns := _} | _]}, After),
    ok = ?S:close(A),
    ?assertEqual({error, closed}, result(Reader)),
    close({B}),
    Starts = maps:get(starts, After),
    ok = signal("KILL", helper_os_pid()),
    wait_until(fun() ->
        case ?S:open(inet, dgram) of
            {ok, Socket} -> ?S:close(Socket) =:= ok;
            {error, closed} -> false
        end
    end),
    ?assertEqual(Starts + 1, maps:get(starts, gosocket_metrics:statistics(default))).

-spec lane_that_does_not_run_is_not_started(config()) -> term().
lane_that_does_not_run_is_not_started(_) ->
    gosocket_test_node:alone(fun() ->
        ?assertEqual([], gosocket_metrics:statistics()),
        ?assertEqual({error, closed}, gosocket_metrics:statistics(default)),
        ?assertEqual(<<>>, iolist_to_binary(gosocket_metrics:prometheus())),
        ok = gosocket_metrics:poll(),
        ?assertEqual([], gosocket_lanes:which())
    end).

-spec lane_that_ends_while_it_is_looked_at_is_not_started(config()) -> term().
lane_that_ends_while_it_is_looked_at_is_not_started(_) ->
    gosocket_test_node:alone(fun() ->
        {ok, _} = ?S:open(inet, dgram),
        Helper = helper_os_pid(),
        ok = signal("STOP", Helper),
        Looks = [start(fun() -> gosocket_metrics:statistics(default) end) || _ <- lists:seq(1, 3)],
        wait_until(fun() -> maps:get(calls_waiting, gosocket_wait:ask_lane(lane(), statistics)) =:= 3 end),
        ok = signal("KILL", Helper),
        ?assertEqual(lists:duplicate(3, {error, closed}), [result(Look) || Look <- Looks]),
        ?assertEqual([], gosocket_lanes:which())
    end).

-spec every_lane_has_statistics(config()) -> term().
every_lane_has_statistics(_) ->
    gosocket_test_node:alone(fun() ->
        {ok, _} = gosocket_lanes:start(other, #{allow => [{domains, [inet]}]}),
        {ok, _} = ?S:open(inet, dgram),
        ?assertEqual({error, eacces}, ?S:open(local, stream, default, #{lane => other})),
        ?assertEqual([default, other], lists:sort([Name || {Name, _} <- gosocket_metrics:statistics()])),
        ?assertMatch(#{refusals := #{domains := 1}, sockets := 0}, gosocket_metrics:statistics(other)),
        ?assertMatch(#{refusals := None, sockets := 1} when map_size(None) =:= 0, gosocket_metrics:statistics(default))
    end).

-spec default_lanes_have_statistics_together(config()) -> term().
default_lanes_have_statistics_together(_) ->
    gosocket_test_node:alone(fun() ->
        ok = application:load(gosocket),
        [ok = application:set_env(gosocket, Variable, Value) || {Variable, Value} <- [{default_lanes, 3}, {loops, 2}, {allow, [{domains, [inet]}]}]],
        ?assertEqual({error, closed}, gosocket_metrics:statistics(default)),
        In = fun(Lane, Call) -> gosocket_test_lib:in_lane(Lane, 3, Call) end,
        Here = self(),
        [In(Lane, fun() ->
             {ok, Socket} = ?S:open(inet, dgram),
             ok = ?S:setopt(Socket, otp, controlling_process, Here)
         end) || Lane <- [0, 0, 2]],
        {error, eacces} = In(2, fun() -> ?S:open(inet6, dgram) end),
        Each = gosocket_metrics:statistics(),
        ?assertEqual([{default, 1}, {default, 3}], [Name || {Name, _} <- Each]),
        All = gosocket_metrics:statistics(default),
        Sum = fun(Key) -> lists:sum([maps:get(Key, Statistics) || {_, Statistics} <- Each]) end,
        ?assertEqual([{Key, Sum(Key)} || Key <- [sockets, starts, selects]], [{Key, maps:get(Key, All)} || Key <- [sockets, starts, selects]]),
        ?assertMatch(#{sockets := 3, calls := #{open := 4}, refusals := #{domains := 1}, loops := [_, _, _, _]}, All)
    end).

-spec prometheus_text_is_what_promtool_takes(config()) -> term().
prometheus_text_is_what_promtool_takes(Config) ->
    Promtool = os:find_executable("promtool"),
    skip_unless(Promtool =/= false, "promtool, of Debian's package prometheus, is not here"),
    Text = gosocket_test_node:alone(fun() ->
        {ok, _} = gosocket_lanes:start('a "b" \\c\n', #{allow => [{domains, [inet]}], loops => 2}),
        {ok, _} = ?S:open(inet, dgram),
        {error, eacces} = ?S:open(local, dgram, default, #{lane => 'a "b" \\c\n'}),
        iolist_to_binary(gosocket_metrics:prometheus())
    end),
    File = filename:join(proplists:get_value(priv_dir, Config), "metrics"),
    ok = file:write_file(File, Text),
    Said = os:cmd(Promtool ++ " check metrics <" ++ File ++ "; echo status $?"),
    ?assertEqual("status 0\n", Said).

-spec prometheus_text_has_the_numbers(config()) -> term().
prometheus_text_has_the_numbers(_) ->
    {A, B} = pair({inet, stream}),
    Text = iolist_to_binary(gosocket_metrics:prometheus()),
    #{starts := Starts, sockets := Sockets, calls := #{open := Opens}} = gosocket_metrics:statistics(default),
    [?assertMatch({match, _}, re:run(Text, ["^", Line, "$"], [multiline]))
     || Line <- ["# TYPE gosocket_helper_sockets gauge",
                 io_lib:format("gosocket_lane_starts_total{lane=\"default\"} ~b", [Starts]),
                 io_lib:format("gosocket_helper_sockets{lane=\"default\"} ~b", [Sockets]),
                 io_lib:format("gosocket_helper_calls_total{lane=\"default\",call=\"open\"} ~b", [Opens]),
                 "gosocket_helper_loop_lag_seconds{lane=\"default\",loop=\"0\"} [0-9.]+"]],
    close({A, B}).

%% ---- telemetry ----

%% A module of that name, which sends what it is told to the process that is registered as this suite.
-spec with_telemetry(Body :: string(), fun(() -> term())) -> ok.
with_telemetry(Body, Test) ->
    gosocket_test_node:alone(fun() ->
        true = register(?MODULE, self()),
        Forms = [begin
                     {ok, Tokens, _} = erl_scan:string(Line),
                     {ok, Form} = erl_parse:parse_form(Tokens),
                     Form
                 end || Line <- ["-module(telemetry).", "-export([execute/3]).", "execute(Event, Measurements, Metadata) -> " ++ Body ++ "."]],
        {ok, telemetry, Code} = compile:forms(Forms),
        {module, telemetry} = code:load_binary(telemetry, "telemetry.beam", Code),
        Test()
    end).

-spec heard([atom()]) -> {map(), map()}.
heard(Event) ->
    receive
        {Event, Measurements, Metadata} -> {Measurements, Metadata}
    after ?PATIENCE ->
        ct:fail({not_heard, Event, erlang:process_info(self(), messages)})
    end.

-spec telemetry_hears_of_starts_and_ends(config()) -> term().
telemetry_hears_of_starts_and_ends(_) ->
    with_telemetry("gosocket_metrics_SUITE ! {Event, Measurements, Metadata}", fun() ->
        Ends = [{helper, fun() -> signal("KILL", helper_os_pid()) end, {shutdown, {exit_status, 137}}},
                {lane, fun() -> exit(lane(), kill) end, killed},
                {stopped, fun() -> application:stop(gosocket) end, shutdown}],
        [begin
             {ok, _} = ?S:open(inet, dgram),
             Lane = lane(),
             Helper = helper_os_pid(),
             {#{system_time := _}, Started} = heard([gosocket, lane, start]),
             ?assertEqual(#{lane => default, pid => Lane, helper => Helper}, Started),
             ok = gosocket_metrics:poll(),
             {#{sockets := 1, lag_max_ns := _}, #{lane := default}} = heard([gosocket, lane, statistics]),
             _ = End(),
             {#{duration := Duration}, Stopped} = heard([gosocket, lane, stop]),
             ?assert(Duration > 0),
             ?assertEqual({What, Started#{reason => Reason}}, {What, Stopped})
         end || {What, End, Reason} <- Ends],
        ?assertEqual(none, receive {[gosocket | _], _, _} = Another -> Another after 0 -> none end)
    end).

-spec telemetry_that_fails_or_hangs_holds_up_nobody(config()) -> term().
telemetry_that_fails_or_hangs_holds_up_nobody(_) ->
    [with_telemetry(Body, fun() ->
        [begin
             {ok, Socket} = ?S:open(inet, dgram),
             Reader = start(fun() -> ?S:recv(Socket, 0) end),
             await_parked(Socket, num_readers, 1),
             ok = gosocket_metrics:poll(),
             exit(lane(), kill),
             ?assertEqual({error, closed}, result(Reader, 2000))
         end || _ <- [1, 2]]
     end) || Body <- ["exit({Event, Measurements, Metadata})", "receive {Event, Measurements, Metadata} -> ok end"]].
