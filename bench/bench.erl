%% @doc The benchmark: gosocket beside OTP's own socket, gen_tcp, and port programs in C that do nothing.
%%
%% Every case runs in rounds; a round measures each contender once, one after the other, each warmed, every second round the other way round. Printed are medians over
%% the rounds, and the median, least and greatest of the rounds' ratios to the opponent: rounds of the same
%% moment are comparable, absolute times of a shared machine are not. All contenders are in this one VM. CPU is what the VM and the
%% helper together used for one unit. Opponents are OTP's socket, gen_tcp, and `C port': a program in C behind a port of the caller's
%% own, the floor of any port program; `batched C port' is the same behind a process that gathers many callers' frames, `C port, our lane'
%% one behind gosocket's lane. They poll before they sleep, as the helper does, where nothing else is said.
%%
%% The same table goes to bench.json beside this module. The exit status is 1 when a case breaks, or when the helper has not
%% served what was counted (`bench_served'); a missed aim is a matter of the machine and of the hour as well.
%%
%% Environment: CASES (name prefixes), ROUNDS, ROUND_SECONDS, LOADS (idle, busy: beside two processes of this node that never
%% rest, threads: beside a program with two such threads; every case has its own otherwise), SHORT=1 (rows that have an aim, and fewer
%% and shorter rounds), BESIDE (instead of all opponents gosocket in another form: `confined', with an allow-list, without
%% capabilities and with the filter of system calls; or the path of another helper), PROTOTYPE (rows beside it, see
%% `bench_prototype').
-module(bench).

-export([main/0, number/2]).

-spec main() -> no_return().
main() ->
    %% who holds the clock is not to queue up behind a thousand callers; those that it starts have the usual priority
    _ = process_flag(priority, high),
    io:format("~ts~n", [bench_machine:describe()]),
    Short = os:getenv("SHORT", "") =/= "",
    ok = bench_served:sees_nothing(),
    Begin = erlang:monotonic_time(second),
    Cases = cases(Short),
    bench_report:head(),
    {Rows, Failed} = lists:unzip([measure(Case, Load, Short) || {Case, Load} <- Cases]),
    Failures = lists:append(Failed),
    bench_report:finish(lists:append(Rows), Failures, Short),
    io:format("~b s~n", [erlang:monotonic_time(second) - Begin]),
    halt(case Failures of [] -> 0; _ -> 1 end).

-spec cases(Short :: boolean()) -> [{bench_cases:kase(), bench_machine:load()}].
cases(Short) ->
    Names = words("CASES"),
    Loads = [list_to_existing_atom(Load) || Load <- words("LOADS")],
    Own = case Short of true -> bench_cases:with_aims(); false -> bench_cases:all() end,
    Known = case bench_setup:form() of none -> Own; _ -> bench_cases:beside(Own) end,
    Chosen = [Case || #{name := Name} = Case <- Known,
                      Names =:= [] orelse lists:any(fun(Prefix) -> lists:prefix(Prefix, Name) end, Names)],
    Chosen =/= [] orelse error({no_such_case, Names}),
    [{Case, Load} || #{loads := Usual} = Case <- Chosen, Load <- case Loads of [] -> Usual; _ -> Loads end].

%% A case that breaks does not take the others with it.
-spec measure(bench_cases:kase(), bench_machine:load(), Short :: boolean()) ->
          {[bench_report:row()], Failures :: [binary()]}.
measure(#{name := Name, entries := Entries} = Case, Load, Short) ->
    {DefaultRounds, DefaultSeconds} = case Short of
                                          true -> {3, 0.15};
                                          false -> {maps:get(rounds, Case, 7), 0.4}
                                      end,
    Seconds = max(number("ROUND_SECONDS", DefaultSeconds), least_seconds(Case, Short)),
    Unload = bench_machine:start_load(Load),
    try
        Rounds = [maps:from_list([{Label, run(Entry, float(Seconds))} || #{label := Label} = Entry <- in_turn(Round, Entries)])
                  || Round <- lists:seq(1, number("ROUNDS", DefaultRounds))],
        {bench_report:rows(Case, Load, Rounds), []}
    catch
        error:Reason:Stack ->
            Line = iolist_to_binary(io_lib:format("~s FAILED: ~0p in ~0p", [Name, Reason, hd(Stack)])),
            io:format("~ts~n", [Line]),
            {[], [Line]}
    after
        Unload()
    end.

%% Nobody always comes first.
-spec in_turn(pos_integer(), [bench_cases:entry()]) -> [bench_cases:entry()].
in_turn(Round, Entries) when Round rem 2 =:= 0 -> lists:reverse(Entries);
in_turn(_Round, Entries) -> Entries.

-spec least_seconds(bench_cases:kase(), Short :: boolean()) -> float().
least_seconds(#{seconds := Seconds}, true) -> Seconds / 2;
least_seconds(#{seconds := Seconds}, false) -> Seconds;
least_seconds(_Case, _Short) -> 0.0.

-spec run(bench_cases:entry(), float()) -> bench_run:result().
run(#{contender := Contender, answer := none, run := Run}, Seconds) ->
    #{api := Api, settings := Settings} = bench_setup:contender(Contender),
    ok = bench_setup:use(Settings),
    Run(Api, Seconds);
run(#{contender := Contender, answer := Bytes, run := Run} = Entry, Seconds) ->
    #{api := Api, settings := Settings} = bench_setup:contender(Contender),
    ok = case Entry of
             #{fresh := true} -> bench_setup:fresh(Settings);
             _ -> bench_setup:use(Settings)
         end,
    Before = bench_served:answered(),
    #{units := Units} = Result = Run(Api, Seconds),
    ok = bench_served:check(Units, Bytes, bench_served:answered() - Before),
    Result.

-spec words(string()) -> [string()].
words(Variable) -> string:lexemes(os:getenv(Variable, ""), " ,").

%% @doc A number from the environment.
-spec number(string(), number()) -> number().
number(Variable, Default) ->
    case os:getenv(Variable, "") of
        "" -> Default;
        Text ->
            {ok, [Number], _} = io_lib:fread(case lists:member($., Text) of true -> "~f"; false -> "~d" end, Text),
            Number
    end.
