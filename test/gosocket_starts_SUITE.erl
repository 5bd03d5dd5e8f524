%% Starts and stops of lanes that meet, helpers that are slow or none, names that come and go, and what is said of settings.
-module(gosocket_starts_SUITE).

-export([
    slow_helper_of_one_lane_holds_up_no_other/1,
    stop_ends_a_lane_that_waits_for_its_helper/1,
    program_of_a_lane_that_starts_ends_with_the_supervisor/1,
    helper_of_a_lane_that_is_stopped_has_its_time/1,
    einval_of_a_program_is_no_badarg/1,
    stop_does_not_start_the_application/1,
    stop_ends_a_lane_that_is_suspended/1,
    death_of_who_is_before_a_lane_that_starts_is_no_stop/1,
    stop_comes_before_the_lane/1,
    starts_of_a_lane_share_one_attempt/1,
    bad_settings_have_one_answer_however_many_give_them/1,
    settings_that_fail_are_those_of_who_gave_them/1,
    default_lanes_are_started_by_one_of_many/1,
    start_of_default_is_that_of_the_caller/1,
    wrong_default_lanes_are_einval/1,
    default_lanes_are_known_while_they_run/1,
    names_that_left_the_configuration_are_free/1,
    later_runs_outlast_a_second_stop/1,
    many_kills_of_a_lane_that_starts_are_closed/1,
    messages_name_the_lane_and_what_is_allowed/1,
    default_lanes_are_told_apart_in_the_metrics/1
]).

-import(gosocket_test_lanes, [fresh/2, script/2]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-define(BESIDE, [slow_helper_of_one_lane_holds_up_no_other, stop_ends_a_lane_that_waits_for_its_helper, stop_ends_a_lane_that_is_suspended, death_of_who_is_before_a_lane_that_starts_is_no_stop,
                 starts_of_a_lane_share_one_attempt]).
-include("gosocket_test.hrl").

%% A lane with a program that never says hello, which writes a line to a file when it starts.
-spec with_silent(fun(([{atom(), term()}], file:filename()) -> term())) -> term().
with_silent(Test) ->
    script(["echo x >>$0.starts; exec sleep 1000"], fun(Path) -> Test([{lanes, [{silent, #{helper => Path}}]}], Path ++ ".starts") end).

-spec starts(file:filename()) -> non_neg_integer().
starts(File) ->
    {ok, Lines} = file:read_file(File),
    byte_size(Lines) div 2.

-spec open(gosocket_lanes:name()) -> ok | {error, term()}.
open(Name) ->
    case ?S:open(inet, dgram, udp, #{lane => Name}) of
        {ok, _} -> ok;
        Error -> Error
    end.

-spec begun(atom()) -> ok.
begun(Name) ->
    {ok, Number} = gosocket_names:find(Name),
    gosocket_test_lib:wait_until(fun() -> lists:keymember({gosocket_lane, Number}, 1, supervisor:which_children(gosocket_sup)) end).

%% ---- Waiting

-spec slow_helper_of_one_lane_holds_up_no_other(config()) -> term().
slow_helper_of_one_lane_holds_up_no_other(_) ->
    with_silent(fun(Variables, _) ->
        {Times, _} = fresh(Variables, fun() ->
            ok = open(default),
            Silent = start(fun() -> open(silent) end),
            ok = begun(silent),
            Stop = start(fun() -> gosocket_lanes:stop(silent) end),
            Calls = [fun() -> {ok, _} = gosocket_lanes:start(other, #{}) end, fun() -> ok = gosocket_lanes:stop(other) end,
                     fun() -> ok = gosocket_lanes:stop(default) end, fun() -> ok = open(default) end],
            Times = [element(1, elapsed(Call)) || Call <- Calls],
            ok = result(Stop),
            {error, closed} = result(Silent),
            Times
        end),
        ?assertEqual([], [Time || Time <- Times, Time > 1500])
    end).

-spec stop_ends_a_lane_that_waits_for_its_helper(config()) -> term().
stop_ends_a_lane_that_waits_for_its_helper(_) ->
    with_silent(fun(Variables, Starts) ->
        {Ends, _} = fresh(Variables, fun() ->
            [begin
                 Call = start(Begin),
                 ok = begun(silent),
                 {Elapsed, Answer} = elapsed(Stop),
                 {Answer, result(Call), Elapsed < 1500}
             end || Begin <- [fun() -> open(silent) end, fun() -> gosocket_lanes:start(silent, #{}) end],
                    Stop <- [fun() -> gosocket_lanes:stop(silent) end, fun() -> application:stop(gosocket) end]]
        end),
        ?assertMatch([{ok, {error, closed}, true}, {ok, {error, closed}, true}, {ok, {error, closed}, true}, {ok, _, true}], Ends),
        ?assertEqual([], [File || File <- filelib:wildcard("/proc/[0-9]*/environ"), is_silent(File, Starts)])
    end).

%% The application's master kills the lane then, which would have ended it.
-spec program_of_a_lane_that_starts_ends_with_the_supervisor(config()) -> term().
program_of_a_lane_that_starts_ends_with_the_supervisor(_) ->
    with_silent(fun(Variables, Starts) ->
        {Ended, _} = fresh(Variables, fun() ->
            Open = start(fun() -> open(silent) end),
            ok = begun(silent),
            ok = wait_until(fun() -> filelib:is_file(Starts) end),
            [Lane] = [Pid || {{gosocket_lane, _}, Pid, _, _} <- supervisor:which_children(gosocket_sup)],
            true = erlang:suspend_process(Lane),
            exit(whereis(gosocket_sup), kill),
            _ = result(Open, 20000),
            wait_until(fun() -> not is_process_alive(Lane) end),
            wait_until(fun() -> [] =:= [File || File <- filelib:wildcard("/proc/[0-9]*/environ"), is_silent(File, Starts)] end)
        end),
        ?assertEqual(ok, Ended)
    end).

%% It is known as a program that has not said hello only as long as it has not.
-spec helper_of_a_lane_that_is_stopped_has_its_time(config()) -> term().
helper_of_a_lane_that_is_stopped_has_its_time(_) ->
    script([gosocket_test_bare:path(), " \"$@\"; sleep 0.3; : >$0.starts"], fun(Path) ->
        {Ended, _} = fresh([{helper, Path}], fun() ->
            {ok, _} = gosocket_lanes:start(a, #{}),
            ok = gosocket_lanes:stop(a),
            wait_until(fun() -> filelib:is_file(Path ++ ".starts") end)
        end),
        ?assertEqual(ok, Ended)
    end).

%% What the helper does not understand of the settings is what was given; what else its start may fail with is not.
-spec einval_of_a_program_is_no_badarg(config()) -> term().
einval_of_a_program_is_no_badarg(_) ->
    Starts = fun(Path) ->
        {Answers, _} = fresh([{helper, Path}], fun() ->
            [try gosocket_lanes:start(Name, Given) of {ok, _} -> ok; Error -> Error catch error:Reason -> {error, Reason} end
             || {Name, Given} <- [{a, #{}}, {b, #{capabilities => []}}, {c, #{allow => [{domains, [inet]}]}}, {d, #{capabilities => [net_rwa]}}]]
        end),
        Answers
    end,
    ?assertEqual(lists:duplicate(4, {error, einval}), script(["exit 22"], Starts)),
    ?assertEqual([ok, ok, ok, {error, badarg}], Starts(gosocket_test_bare:path())).

%% The lane goes with them, and who waited for it gets the next one. Its program is silent the first time only.
-spec death_of_who_is_before_a_lane_that_starts_is_no_stop(config()) -> term().
death_of_who_is_before_a_lane_that_starts_is_no_stop(_) ->
    [script(["if [ -e $0.once ]; then exec ", gosocket_test_bare:path(), " \"$@\"; fi; : >$0.once; exec sleep 1000"], fun(Path) ->
         {Answers, _} = fresh([{helper, Path}], fun() ->
             Calls = [start(fun() -> open(default) end) || _ <- lists:seq(1, 5)],
             ok = wait_until(fun() -> filelib:is_file(Path ++ ".once") end),
             exit(whereis(Name), kill),
             [result(Call) || Call <- Calls]
         end),
         _ = file:delete(Path ++ ".once"),
         ?assertEqual({Name, lists:duplicate(5, ok)}, {Name, Answers})
     end) || Name <- [gosocket_guardian, gosocket_names]].

-spec stop_ends_a_lane_that_is_suspended(config()) -> term().
stop_ends_a_lane_that_is_suspended(_) ->
    {{Times, Gone}, _} = fresh([], fun() ->
        {ok, Lane} = gosocket_lanes:start(suspended, #{}),
        {ok, _} = gosocket_lanes:start(beside, #{}),
        #{helper := Helper} = gosocket_lanes:info(suspended),
        true = erlang:suspend_process(Lane),
        Stop = start(fun() -> elapsed(fun() -> gosocket_lanes:stop(suspended) end) end),
        ok = wait_until(fun() -> gosocket_lanes:info(suspended) =:= {error, {no_lane, suspended}} end),
        {Soon, ok} = elapsed(fun() -> gosocket_lanes:stop(beside) end),
        {Again, {ok, _}} = elapsed(fun() -> gosocket_lanes:start(suspended, #{}) end),
        {Late, ok} = result(Stop),
        wait_until(fun() -> not helper_alive(Helper) end),
        {[Soon, Again], {Late > 3500 andalso Late < 5000, is_process_alive(Lane)}}
    end),
    ?assertEqual({[], {true, false}}, {[Time || Time <- Times, Time > 1500], Gone}).

%% Whether this is the program that such a script has become, by what it was given.
-spec is_silent(file:filename(), file:filename()) -> boolean().
is_silent(Environ, Starts) ->
    case file:read_file(Environ) of
        {ok, Bytes} -> binary:match(Bytes, list_to_binary("SCRIPT=" ++ filename:basename(Starts, ".starts"))) =/= nomatch;
        {error, _} -> false
    end.

%% The supervisor is suspended, so that it is not there yet. One that is wanted after the stop is another one.
-spec stop_comes_before_the_lane(config()) -> term().
stop_comes_before_the_lane(_) ->
    {Results, _} = fresh([{lanes, [{a, #{}}]}], fun() ->
        {ok, _} = application:ensure_all_started(gosocket),
        [begin
             ok = sys:suspend(gosocket_sup),
             Starts = fun(Count) -> [start(fun() -> gosocket_lanes:start(Name, #{}) end) || _ <- lists:seq(1, Count)] end,
             Before = Starts(2),
             ok = wait_until(fun() -> queued(gosocket_sup) =:= 1 end),
             ok = gosocket_lanes:stop(Name),
             Closed = [result(Start) || Start <- Before],
             Behind = Starts(2 * Later),
             ok = wait_until(fun() -> [] =:= [Pid || {Pid, _} <- Behind, element(2, process_info(Pid, current_function)) =/= {gen, do_call, 4}] end),
             ok = sys:resume(gosocket_sup),
             Results = lists:sort([element(1, result(Start)) || Start <- Behind]),
             ok = wait_until(fun() -> lists:sublist(tuple_to_list(sys:get_state(gosocket_names)), 4, 1) =:= [#{}] end),
             Runs = length(gosocket_lanes:which()),
             _ = gosocket_lanes:stop(Name),
             {Name, lists:usort(Closed), Results, Runs}
         end || Name <- [a, b, {default, 1}], Later <- [0, 1]]
    end),
    ?assertEqual([{Name, [{error, closed}], Answers, Runs} || Name <- [a, b, {default, 1}], {Answers, Runs} <- [{[], 0}, {[error, ok], 1}]], Results).

-spec queued(atom()) -> non_neg_integer().
queued(Name) ->
    element(2, process_info(whereis(Name), message_queue_len)).

%% A helper that is late, one that is none, one that is never there: the answers, how many programs were started, the time.
-spec starts_of_a_lane_share_one_attempt(config()) -> term().
starts_of_a_lane_share_one_attempt(_) ->
    Program = element(2, file:read_link("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/exe")),
    Kinds = [{late, ["sleep 1; exec ", Program, " \"$@\""], 3000, [{error, {already_started, lane}}, {ok, lane}]},
             {garbage, ["sleep 1; printf '\\0\\0\\0\\4abcd'; exec sleep 1000"], 3000, [{error, eproto}]},
             {gone, ["sleep 1; exit 13"], 3000, [{error, eacces}]},
             {silent, ["exec sleep 1000"], 7000, [{error, etimedout}]}],
    gosocket_test_lib:beside(fun({Kind, Lines, Longest, Expected}) ->
        script(["echo x >>$0.starts; " | Lines], fun(Path) ->
            {{Answers, Elapsed}, _} = fresh([{lanes, [{a, #{helper => Path}}]}], fun() ->
                {Elapsed, Answers} = elapsed(fun() ->
                    Calls = [start(fun() -> gosocket_lanes:start(a, #{spin_us => N rem 2}) end) || N <- lists:seq(1, 20)],
                    [result(Call) || Call <- Calls]
                end),
                {Answers, Elapsed}
            end),
            Names = [case Answer of
                         {ok, _} -> {ok, lane};
                         {error, {already_started, _}} -> {error, {already_started, lane}};
                         Error -> Error
                     end || Answer <- Answers],
            ?assertEqual({Kind, Expected, 1, true}, {Kind, lists:usort(Names), starts(Path ++ ".starts"), Elapsed < Longest}),
            ?assert(length([1 || {ok, _} <- Answers]) =< 1)
        end)
    end, Kinds).

%% ---- Settings

-spec outcomes(pos_integer(), fun((pos_integer()) -> term())) -> [term()].
outcomes(Count, Call) ->
    Calls = [start(fun() -> outcome(fun() -> Call(N) end) end) || N <- lists:seq(1, Count)],
    [result(Each) || Each <- Calls].

%% Those that are known here, and those that only the helper knows.
-spec bad_settings_have_one_answer_however_many_give_them(config()) -> term().
bad_settings_have_one_answer_however_many_give_them(_) ->
    [begin
         Name = list_to_atom("bad" ++ unique()),
         ?assertEqual({Bad, [{error, badarg}]}, {Bad, lists:usort(outcomes(30, fun(_) -> gosocket_lanes:start(Name, Bad) end))}),
         ?assertEqual({error, {no_lane, Name}}, gosocket_lanes:info(Name))
     end || Bad <- [#{loops => 17}, #{narrow => []}, #{allow => [{no_rule, [inet]}]}, #{capabilities => [none_of_them]}]].

%% Good ones that come meanwhile are tried as well.
-spec settings_that_fail_are_those_of_who_gave_them(config()) -> term().
settings_that_fail_are_those_of_who_gave_them(_) ->
    [begin
         Name = list_to_atom("some" ++ unique()),
         Start = fun(N) when N rem 3 =:= 0 -> gosocket_lanes:start(Name, #{spin_us => N});
                    (N) -> gosocket_lanes:start(Name, #{allow => [{no_rule, [N rem 3]}]})
                 end,
         Answers = outcomes(9, Start),
         [Lane] = [Lane || {returned, {ok, Lane}} <- Answers],
         %% one that comes when the lane runs is told that, whatever its settings
         ?assertEqual([], lists:usort(Answers) -- [{error, badarg}, {returned, {ok, Lane}}, {returned, {error, {already_started, Lane}}}]),
         ?assertEqual([], [Answer || {N, Answer} <- lists:enumerate(Answers), N rem 3 =:= 0, Answer =:= {error, badarg}]),
         ok = gosocket_lanes:stop(Name)
     end || _ <- lists:seq(1, 5)].

%% ---- Default lanes

-spec default_lanes_are_started_by_one_of_many(config()) -> term().
default_lanes_are_started_by_one_of_many(_) ->
    [{Results, _} = fresh([{default_lanes, Count}], fun() ->
         [begin
              Answers = [result(Call) || Call <- [start(fun() -> gosocket_lanes:start({default, N}, #{}) end) || _ <- lists:seq(1, 20)]],
              [Lane] = [Lane || {ok, Lane} <- Answers],
              {N, lists:usort(Answers -- [{ok, Lane}]) =:= [{error, {already_started, Lane}}], is_map(gosocket_metrics:statistics({default, N}))}
          end || N <- lists:seq(1, Count)]
     end) || Count <- [1, 3], Results <- [[{N, true, true} || N <- lists:seq(1, Count)]]].

-spec start_of_default_is_that_of_the_caller(config()) -> term().
start_of_default_is_that_of_the_caller(_) ->
    {Results, _} = fresh([{default_lanes, 3}], fun() ->
        [gosocket_test_lib:in_lane(N, 3, fun() ->
             First = gosocket_lanes:start(default, #{}),
             Again = gosocket_lanes:start(default, #{}),
             {ok, Socket} = ?S:open(inet, dgram),
             {ok, Lane} = First,
             #{pid := Runs} = Info = gosocket_lanes:info({default, N + 1}),
             {gosocket_names:of_socket(Socket), gosocket_lanes:info(default) =:= Info, Runs =:= Lane,
              Again =:= {error, {already_started, Lane}}, length(gosocket_lanes:which())}
         end) || N <- [2, 0, 1]]
    end),
    ?assertEqual([{{default, N}, true, true, true, Running} || {N, Running} <- [{3, 1}, {1, 2}, {2, 3}]], Results).

-spec wrong_default_lanes_are_einval(config()) -> term().
wrong_default_lanes_are_einval(_) ->
    {Answers, _} = fresh([{default_lanes, 0}], fun() ->
        [outcome(Call) || Name <- [default, {default, 1}],
                          Call <- [fun() -> gosocket_lanes:start(Name, #{}) end, fun() -> open(Name) end, fun() -> gosocket_lanes:info(Name) end]]
            ++ [outcome(fun() -> gosocket_lanes:stop({default, 1}) end)]
    end),
    ?assertEqual([{returned, {error, einval}}], lists:usort(Answers)).

%% Those beyond the number that is configured as long as they run.
-spec default_lanes_are_known_while_they_run(config()) -> term().
default_lanes_are_known_while_they_run(_) ->
    {Results, _} = fresh([{default_lanes, 3}], fun() ->
        [ok = open({default, N}) || N <- [1, 2, 3]],
        ok = application:set_env(gosocket, default_lanes, 1),
        Names = gosocket_lanes:which(),
        Known = [{is_map(gosocket_lanes:info(Name)), is_map(gosocket_metrics:statistics(Name)), open(Name)} || Name <- Names],
        Second = [gosocket_lanes:stop({default, 2}), gosocket_lanes:stop({default, 2}), gosocket_lanes:info({default, 2}), open({default, 2}),
                  outcome(fun() -> gosocket_lanes:start({default, 2}, #{}) end)],
        {error, {already_started, _}} = gosocket_lanes:start({default, 3}, #{}),
        %% nor does one start that was looked for before
        {error, closed} = gosocket_start:lane(1),
        {Names, Known, Second, gosocket_lanes:stop(default), gosocket_lanes:which()}
    end),
    No = {error, {no_lane, {default, 2}}},
    ?assertEqual({[default, {default, 2}, {default, 3}], lists:duplicate(3, {true, true, ok}), [ok, No, No, No, {error, badarg}], ok, []}, Results).

%% ---- Names

%% Whatever had become of them.
-spec names_that_left_the_configuration_are_free(config()) -> term().
names_that_left_the_configuration_are_free(_) ->
    Ends = [{known, fun() -> #{pid := undefined} = gosocket_lanes:info(a) end},
            {stopped, fun() -> ok = open(a), ok = gosocket_lanes:stop(a) end},
            {killed, fun() -> ok = open(a), kill_lane() end},
            {started, fun() -> {ok, _} = gosocket_lanes:start(a, #{allow => []}), kill_lane() end}],
    {Results, _} = fresh([], fun() ->
        ok = application:load(gosocket),
        [begin
             ok = application:set_env(gosocket, lanes, [{a, #{}}]),
             _ = End(),
             ok = application:unset_env(gosocket, lanes),
             Unknown = Ask(),
             {ok, Lane} = gosocket_lanes:start(a, #{}),
             Runs = {open(a), maps:get(pid, gosocket_lanes:info(a)) =:= Lane},
             {{Kind, Unknown}, Runs, gosocket_lanes:stop(a), gosocket_lanes:stop(a)}
         end || {Kind, End} <- Ends,
                Ask <- [fun() -> open(a) end, fun() -> gosocket_lanes:info(a) end, fun() -> gosocket_lanes:stop(a) end, fun() -> none end]]
    end),
    No = {error, {no_lane, a}},
    ?assertEqual([{{Kind, Answer}, {ok, true}, ok, No} || {Kind, _} <- Ends, Answer <- [No, No, No, none]], Results).

%% In the fresh node.
-spec kill_lane() -> ok.
kill_lane() ->
    #{pid := Lane} = gosocket_lanes:info(a),
    exit(Lane, kill),
    wait_until(fun() -> not is_process_alive(Lane) end).

%% Two stops, the second of which goes on when the lane has been started again under its number.
-spec later_runs_outlast_a_second_stop(config()) -> term().
later_runs_outlast_a_second_stop(_) ->
    {Results, _} = fresh([{lanes, [{a, #{}}]}], fun() ->
        [begin
             ok = open(Name),
             {ok, [First]} = gosocket_names:stop(Name),
             {ok, [First]} = gosocket_names:stop(Name),
             Start = start(fun() -> gosocket_lanes:start(Name, #{}) end),
             ok = wait_until(fun() -> element(4, sys:get_state(gosocket_names)) =/= #{} end),
             ok = gosocket_sup:end_lanes([First]),
             {ok, Later} = result(Start),
             ok = gosocket_sup:end_lanes([First]),
             {Name, is_process_alive(Later), maps:get(pid, gosocket_lanes:info(Name)) =:= Later}
         end || Name <- [a, {default, 1}]]
    end),
    ?assertEqual([{Name, true, true} || Name <- [a, {default, 1}]], Results).

%% One that is killed once or twice is there in spite of that.
-spec many_kills_of_a_lane_that_starts_are_closed(config()) -> term().
many_kills_of_a_lane_that_starts_are_closed(_) ->
    Program = element(2, file:read_link("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/exe")),
    script(["sleep 0.3; exec ", Program, " \"$@\""], fun(Path) ->
        {Results, _} = fresh([{lanes, [{a, #{helper => Path}}]}], fun() ->
            {ok, Number} = gosocket_names:find(a),
            Lane = fun(Not) ->
                ok = wait_until(fun() -> lane_of(Number) =/= none andalso lane_of(Number) =/= Not end),
                lane_of(Number)
            end,
            [begin
                 Start = start(fun() -> gosocket_lanes:start(a, #{}) end),
                 lists:foldl(fun(_, Last) -> Now = Lane(Last), exit(Now, kill), Now end, none, lists:seq(1, Kills)),
                 Result = element(1, result(Start)),
                 {Kills, Result, gosocket_lanes:stop(a)}
             end || Kills <- [0, 1, 2, 3]]
        end),
        ?assertEqual([{0, ok, ok}, {1, ok, ok}, {2, ok, ok}, {3, error, ok}], Results)
    end).

-spec lane_of(non_neg_integer()) -> pid() | none.
lane_of(Number) ->
    case lists:keyfind({gosocket_lane, Number}, 1, supervisor:which_children(gosocket_sup)) of
        {_, Lane, _, _} when is_pid(Lane) -> hd([Alive || Alive <- [Lane], is_process_alive(Alive)] ++ [none]);
        _ -> none
    end.

-spec stop_does_not_start_the_application(config()) -> term().
stop_does_not_start_the_application(_) ->
    Names = [default, {default, 1}, {default, 2}, {default, 3}, {default, 0}, {default, x}, known, unknown],
    {{Before, Started}, _} = fresh([{default_lanes, 2}, {lanes, [{known, #{}}]}], fun() ->
        {[gosocket_lanes:stop(Name) || Name <- Names], lists:keymember(gosocket, 1, application:which_applications())}
    end),
    {After, _} = fresh([{default_lanes, 2}, {lanes, [{known, #{}}]}], fun() ->
        {ok, _} = application:ensure_all_started(gosocket),
        [gosocket_lanes:stop(Name) || Name <- Names]
    end),
    ?assertEqual({After, false}, {Before, Started}),
    ?assertEqual([ok, ok, ok, {error, {no_lane, {default, 3}}}, {error, {no_lane, {default, 0}}}, {error, {no_lane, {default, x}}}, ok,
                  {error, {no_lane, unknown}}], Before).

%% ---- What is said

-spec messages_name_the_lane_and_what_is_allowed(config()) -> term().
messages_name_the_lane_and_what_is_allowed(_) ->
    Lanes = [{one, #{loops => 17}}, {two, #{helper => 17}}, {three, #{log_level => loud}}, {four, #{allow => [{tcp}]}}, {five, #{landlock => 1}},
             {six, #{helper => "/nowhere/helper"}}, {seven, #{lane_spin => -1}}, {eight, #{use_registry => 1}}],
    {Answers, Printed} = fresh([{lanes, Lanes}], fun() ->
        Answers = [open(Name) || {Name, _} <- Lanes] ++ [outcome(fun() -> gosocket_lanes:start(Name, Given) end)
                                                         || {Name, Given} <- [{nine, #{window => 1}}, {ten, #{helper => "x"}}, {eleven, nothing},
                                                                              {{default, 7}, #{}}, {default, #{loops => 1}}]],
        ok = logger_std_h:filesync(default),
        Answers
    end),
    [Einval, Badarg] = [{error, einval}, {error, badarg}],
    ?assertEqual([Einval, Einval, Einval, Einval, Einval, {error, enoent}, Einval, Einval, Badarg, Badarg, Badarg, Badarg, Badarg], Answers),
    [?assertMatch({match, _}, re:run(Printed, "lane " ++ Line), Line)
     || Line <- ["one: loops: 17 has to be an integer from 1 to 16",
                 "two: helper: 17 has to be the path",
                 "three: log_level: loud has to be one of .*info",
                 "four: allow: {tcp} is nothing that docs/security.md has there",
                 "five: landlock: 1 has to be true or false",
                 "six: .*/nowhere/helper.*: enoent",
                 "seven: lane_spin: -1 has to be an integer from 0 to 4294967295",
                 "eight: use_registry: 1 has to be true or false",
                 "nine: window: 1 has to be an integer from 4096 to 4128768",
                 "ten: helper: \"x\" is for the configuration",
                 "eleven: settings: nothing has to be a map",
                 "{default,7}: there is no such",
                 "default: there is no such"]],
    ?assertEqual(nomatch, re:run(Printed, "FORMAT ERROR")).

-spec default_lanes_are_told_apart_in_the_metrics(config()) -> term().
default_lanes_are_told_apart_in_the_metrics(_) ->
    {Text, _} = fresh([{default_lanes, 2}], fun() ->
        [ok = open({default, N}) || N <- [1, 2]],
        [{ok, _} = gosocket_lanes:start(Name, #{}) || Name <- ['default/1', '{default,1}', 'default",index="1']],
        iolist_to_binary(gosocket_metrics:prometheus())
    end),
    Series = [hd(binary:split(Line, <<"} ">>)) || Line <- binary:split(Text, <<"\n">>, [global]), binary:match(Line, <<"{">>) =/= nomatch],
    ?assertEqual([], Series -- lists:usort(Series)),
    ?assertEqual(5, length([1 || <<"gosocket_lane_starts_total{", _/binary>> <- Series])),
    ?assert(lists:member(<<"gosocket_lane_starts_total{lane=\"default\",index=\"2\"">>, Series)).
