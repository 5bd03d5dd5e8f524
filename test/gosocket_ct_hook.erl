%% @doc Counts a common_test run: one line "passed|failed|skipped TAB suite:case TAB reason" for each case into the file
%% named by GOSOCKET_CT_RESULTS, once all have run. A skipped case says why on the terminal, too.
-module(gosocket_ct_hook).

-export([init/2, post_end_per_testcase/5, on_tc_fail/4, on_tc_skip/4, terminate/1]).

-type test() :: {Suite :: module(), Case :: term()}.
-type state() :: #{test() => {passed | failed | skipped, Reason :: term()}}.

-spec init(term(), term()) -> {ok, state()}.
init(_Id, _Options) -> {ok, #{}}.

%% Called before on_tc_fail, whatever the outcome.
-spec post_end_per_testcase(module(), atom(), list(), term(), state()) -> {term(), state()}.
post_end_per_testcase(Suite, Case, _Config, Return, State) ->
    {Return, maps:merge(#{{Suite, Case} => {passed, ""}}, State)}.

-spec on_tc_fail(module(), term(), term(), state()) -> state().
on_tc_fail(Suite, Case, Reason, State) ->
    State#{{Suite, without_group(Case)} => {failed, Reason}}.

-spec on_tc_skip(module(), term(), term(), state()) -> state().
on_tc_skip(Suite, Case, {_Kind, Reason}, State) ->
    %% what was meant to run and could not, because what comes before it broke, is no skip
    Outcome = case Reason of
                  {failed, _} -> failed;
                  _ -> skipped
              end,
    State#{{Suite, without_group(Case)} => {Outcome, Reason}}.

%% Who has ended is named without the group that it is in, who fails or is skipped with it.
-spec without_group(term()) -> term().
without_group({Case, _Group}) when Case =/= init_per_group, Case =/= end_per_group -> Case;
without_group(Case) -> Case.

-spec terminate(state()) -> ok.
terminate(State) ->
    case os:getenv("GOSOCKET_CT_RESULTS", "") of
        "" -> ok;
        File -> ok = file:write_file(File, [line(Test) || Test <- lists:sort(maps:to_list(State))])
    end,
    lists:foreach(fun({Test, {skipped, Reason}}) ->
                          io:format(user, "skipped: ~ts: ~ts~n", [name(Test), text(Reason)]);
                     (_) -> ok
                  end, lists:sort(maps:to_list(State))).

-spec line({test(), {atom(), term()}}) -> unicode:chardata().
line({Test, {Outcome, Reason}}) ->
    unicode:characters_to_binary([atom_to_list(Outcome), $\t, name(Test), $\t, text(Reason), $\n]).

-spec name(test()) -> unicode:chardata().
name({Suite, Case}) when is_atom(Case) -> io_lib:format("~s:~s", [Suite, Case]);
name({Suite, Case}) -> io_lib:format("~s:~0p", [Suite, Case]).

-spec text(term()) -> unicode:chardata().
text(Reason) ->
    case io_lib:printable_unicode_list(Reason) of
        true -> lists:flatten(string:replace(Reason, "\n", " ", all));
        false -> io_lib:format("~0tp", [Reason])
    end.
