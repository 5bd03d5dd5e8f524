%% Starts, stops, uses, kills and configurations of lanes in any order: one after the other each answer is that of a model, and of many
%% at the same time each is one that is documented, comes soon, and leaves what all agree on.
-module(gosocket_lanes_model_SUITE).

-export([
    one_after_the_other_as_the_model_says/1,
    many_at_a_time_agree_afterwards/1,
    many_at_a_time_while_what_lanes_share_is_killed/1
]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-define(BESIDE, [one_after_the_other_as_the_model_says, many_at_a_time_agree_afterwards, many_at_a_time_while_what_lanes_share_is_killed]).
-include("gosocket_test.hrl").

%% `a' is in the configuration now and then, `b' never, and default lanes are one or two.
-define(NAMES, [a, b, {default, 1}, {default, 2}]).

%% Milliseconds for any answer, on a busy machine.
-define(SOON, 4000).

-type operation() :: {start | stop | open | kill | info | statistics, gosocket_lanes:name()} | which | {configure, a | defaults, boolean()}
                   | {kill_shared, atom()}.

%% What a model knows of a name: by whom it is known besides the configuration, whether it is start/2's, whether it runs.
-record(known,
        {by = nobody :: nobody | configuration | start,
         claimed = false :: boolean(),
         runs = false :: boolean()}).

-type model() :: #{gosocket_lanes:name() => #known{}, configured := [gosocket_lanes:name()]}.

%% In a node of its own, one after the other. The seed, as the variable GOSOCKET_MODEL_SEED, gives the same programs again, if not in the
%% same order of those that run at the same time.
-spec programs(pos_integer(), fun((N :: pos_integer()) -> term())) -> ok.
programs(Count, Program) ->
    Seed = list_to_integer(os:getenv("GOSOCKET_MODEL_SEED", integer_to_list(erlang:unique_integer() + os:system_time()))),
    io:format(user, "lanes: ~b programs, GOSOCKET_MODEL_SEED=~b~n", [Count, Seed]),
    gosocket_test_node:alone(fun() ->
        ok = application:load(gosocket),
        _ = rand:seed(exsplus, Seed),
        lists:foreach(fun(N) ->
            configure(a, true),
            configure(defaults, true),
            Program(N),
            [_ = gosocket_lanes:stop(Name) || Name <- [default | ?NAMES]],
            nothing_is_under_way()
        end, lists:seq(1, Count))
    end).

%% In the state of gosocket_names: no attempt, no process that is watched, and no row but of what is configured.
-spec nothing_is_under_way() -> ok.
nothing_is_under_way() ->
    wait_until(fun() -> lists:sublist(tuple_to_list(sys:get_state(gosocket_names)), 4, 2) =:= [#{}, #{}] end),
    ?assertEqual([], gosocket_lanes:which()),
    ?assertEqual([], [Name || {Name, _} <- ets:tab2list(gosocket_names), is_atom(Name), Name =/= a]),
    wait_until(fun() -> [Id || {{gosocket_lane, Id}, _, _, _} <- supervisor:which_children(gosocket_sup)] =:= [] end).

%% ---- What is done

-spec one_of([Element]) -> Element.
one_of(List) ->
    lists:nth(rand:uniform(length(List)), List).

-spec operation() -> operation().
operation() ->
    case rand:uniform(20) of
        1 -> which;
        N when N < 5 -> {configure, one_of([a, defaults]), one_of([true, false])};
        _ -> {one_of([start, start, start, stop, stop, open, open, kill, info, statistics]), one_of(?NAMES)}
    end.

-spec do(operation()) -> term().
do({start, Name}) ->
    try
        gosocket_lanes:start(Name, #{})
    catch
        error:badarg -> badarg
    end;
do({open, Name}) ->
    case ?S:open(inet, dgram, udp, #{lane => Name}) of
        {ok, Socket} ->
            _ = ?S:close(Socket),
            ok;
        Error ->
            Error
    end;
do({kill, Name}) ->
    case gosocket_lanes:info(Name) of
        #{pid := Lane} when is_pid(Lane) ->
            exit(Lane, kill),
            wait_until(fun() -> not is_process_alive(Lane) end);
        _ ->
            none
    end;
do({stop, Name}) -> gosocket_lanes:stop(Name);
do({info, Name}) -> gosocket_lanes:info(Name);
do({statistics, Name}) -> gosocket_metrics:statistics(Name);
do(which) -> gosocket_lanes:which();
do({configure, What, Is}) -> configure(What, Is);
do({kill_shared, Name}) -> [exit(Pid, kill) || Pid <- [whereis(Name)], is_pid(Pid)].

-spec configure(a | defaults, boolean()) -> ok.
configure(a, Is) -> application:set_env(gosocket, lanes, [{a, #{}} || Is]);
configure(defaults, Is) -> application:set_env(gosocket, default_lanes, case Is of true -> 2; false -> 1 end).

%% ---- One after the other

-spec one_after_the_other_as_the_model_says(config()) -> term().
one_after_the_other_as_the_model_says(_) ->
    programs(4, fun(_) ->
        Operations = [operation() || _ <- lists:seq(1, 60)],
        lists:foldl(fun(Operation, {Model, Before}) ->
            Answer = do(Operation),
            {Expected, Next} = expected(Operation, Model),
            ?assertEqual({Operation, Expected}, {Operation, seen(Answer)}, [Operation | Before]),
            {Next, [Operation | Before]}
        end, {maps:from_list([{configured, [a, {default, 1}, {default, 2}]} | [{Name, #known{}} || Name <- ?NAMES]]), []}, Operations)
    end).

%% What of an answer a model can know.
-spec seen(term()) -> term().
seen({ok, Lane}) when is_pid(Lane) -> ok;
seen({error, {already_started, _}}) -> already_started;
seen({error, {Reason, _}}) -> Reason;
seen({error, Reason}) -> Reason;
seen(#{pid := Lane}) -> {info, is_pid(Lane)};
seen(#{starts := _}) -> statistics;
seen(Answer) -> Answer.

-spec expected(operation(), model()) -> {term(), model()}.
expected({configure, What, Is}, #{configured := Configured} = Model) ->
    Name = case What of a -> a; defaults -> {default, 2} end,
    {ok, Model#{configured := [Name || Is] ++ lists:delete(Name, Configured)}};
expected(which, Model) ->
    {[case Name of
          {default, 1} -> only(Model);
          _ -> Name
      end || Name <- [{default, 1}, {default, 2}], runs(Name, Model)]
        ++ [Name || {_, Name} <- lists:sort([{number(Name), Name} || Name <- [a, b], runs(Name, Model)])], Model};
expected({What, Name}, #{configured := Configured} = Model) ->
    IsConfigured = lists:member(Name, Configured),
    #known{by = By, runs = Runs} = Known = remembered(maps:get(Name, Model), IsConfigured),
    {Answer, Next} = case What of
        _ when What =/= start, not IsConfigured, By =:= nobody -> {case What of kill -> none; statistics -> closed; _ -> no_lane end, Known};
        start when not IsConfigured, is_tuple(Name), not Runs -> {badarg, Known};
        start when Runs; Known#known.claimed -> {already_started, Known#known{runs = true}};
        start -> {ok, Known#known{by = by(By, IsConfigured), claimed = true, runs = true}};
        open -> {ok, Known#known{by = by(By, IsConfigured), runs = true}};
        stop -> {ok, case By of start -> #known{}; _ -> Known#known{claimed = false, runs = false} end};
        kill when Runs -> {ok, Known#known{runs = false}};
        kill -> {none, Known};
        info -> {{info, Runs}, Known};
        statistics when Runs -> {statistics, Known};
        statistics -> {closed, Known}
    end,
    {Answer, Model#{Name := Next}}.

%% One that has left the configuration is forgotten when it has ended.
-spec remembered(#known{}, IsConfigured :: boolean()) -> #known{}.
remembered(#known{by = configuration, runs = false}, false) -> #known{};
remembered(Known, _) -> Known.

-spec by(nobody | configuration | start, boolean()) -> configuration | start.
by(nobody, true) -> configuration;
by(nobody, false) -> start;
by(By, _) -> By.

-spec runs(gosocket_lanes:name(), model()) -> boolean().
runs(Name, Model) ->
    (maps:get(Name, Model))#known.runs.

%% Lanes are told by their numbers, which the model does not know.
-spec number(atom()) -> non_neg_integer().
number(Name) ->
    {ok, Number} = gosocket_names:find(Name),
    Number.

-spec only(model()) -> gosocket_lanes:name().
only(#{configured := Configured}) ->
    case lists:member({default, 2}, Configured) of
        true -> {default, 1};
        false -> default
    end.

%% ---- Many at a time

-spec many_at_a_time_agree_afterwards(config()) -> term().
many_at_a_time_agree_afterwards(_) ->
    programs(10, fun(_) -> burst([]) end).

%% Nobody is told that there is no lane which he has not asked for by its name.
-spec many_at_a_time_while_what_lanes_share_is_killed(config()) -> term().
many_at_a_time_while_what_lanes_share_is_killed(_) ->
    programs(10, fun(N) ->
        Shared = lists:nth(1 + N rem 4, [gosocket_guardian, gosocket_heir, gosocket_names, gosocket_sup]),
        burst([[{kill_shared, Shared}, {start, a}, {start, b}, {open, a}]])
    end),
    %% without stops all starts go well
    programs(5, fun(N) ->
        Shared = lists:nth(1 + N rem 4, [gosocket_guardian, gosocket_heir, gosocket_names, gosocket_sup]),
        Starts = [{start, Name} || Name <- ?NAMES],
        Answers = [Answer || {{start, _}, Answer, _} <- run([[{kill_shared, Shared}] | lists:duplicate(5, Starts)])],
        ?assertEqual([], lists:usort([seen(Answer) || Answer <- Answers]) -- [ok, already_started])
    end).

-spec burst([[operation()]]) -> ok.
burst(More) ->
    Answers = run(More ++ [[operation() || _ <- lists:seq(1, 4)] || _ <- lists:seq(1, 8)]),
    [?assertEqual({Operation, true}, {Operation, is_documented(Operation, Answer)}, {Answer, Answers}) || {Operation, Answer, _} <- Answers],
    ?assertEqual([], [Slow || {_, _, Elapsed} = Slow <- Answers, Elapsed > ?SOON]),
    %% each run of a lane has been started by one of those who were told so
    Started = [Lane || {{start, _}, {ok, Lane}, _} <- Answers],
    ?assertEqual([], Started -- lists:usort(Started)),
    agreed(gosocket_lanes:which()).

%% Each caller does these one after the other.
-spec run([[operation()]]) -> [{operation(), term(), Milliseconds :: non_neg_integer()}].
run(Callers) ->
    Calls = [start(fun() ->
        [begin
             {Elapsed, Answer} = elapsed(fun() -> do(Operation) end),
             {Operation, Answer, Elapsed}
         end || Operation <- Operations]
    end) || Operations <- Callers],
    lists:append([result(Call) || Call <- Calls]).

-spec is_documented(operation(), term()) -> boolean().
is_documented({What, Name}, {error, {no_lane, Name}}) -> lists:member(What, [open, stop, info]);
is_documented({What, _}, {error, closed}) -> lists:member(What, [start, open, statistics]);
is_documented({start, Name}, badarg) -> Name =:= {default, 2};
is_documented({start, _}, Answer) -> lists:member(seen(Answer), [ok, already_started]);
is_documented({info, _}, Answer) -> is_map(Answer);
is_documented({statistics, _}, Answer) -> is_map(Answer);
is_documented({kill_shared, _}, _) -> true;
is_documented({kill, _}, Answer) -> lists:member(Answer, [ok, none]);
is_documented(which, Answer) -> is_list(Answer);
is_documented(_, Answer) -> Answer =:= ok.

%% Those that run are known to all, and can be stopped: `default', which are all default lanes, behind these.
-spec agreed([gosocket_lanes:name()]) -> ok.
agreed(Names) ->
    [begin
         ?assertMatch(#{pid := Lane} when is_pid(Lane), gosocket_lanes:info(Name)),
         ?assertMatch({Name, #{starts := _}}, {Name, gosocket_metrics:statistics(Name)}),
         ?assertMatch({error, {already_started, _}}, gosocket_lanes:start(Name, #{})),
         ?assertEqual(ok, do({open, Name})),
         ?assertEqual(ok, gosocket_lanes:stop(Name))
     end || Name <- lists:reverse(Names)],
    ?assertEqual([], gosocket_lanes:which()).
