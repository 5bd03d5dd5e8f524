%% @private
%% @doc Purging a module kills whoever is in its old code, and `l/1' in the shell or a release purges right before it loads:
%% two loadings of a module in a row kill who is in its code when the first one makes it old. Callers wait in
%% {@link gosocket_wait} for as long as it takes, and lanes run all the time. So before new code becomes current
%%
%% <ul><li>the lanes leave it, whichever of their modules it is;</li>
%% <li>callers leave theirs, nobody enters it, and nobody is seen in it any more.</li></ul>
%%
%% Who has left waits in interpreted code, which no loading makes old.
-module(gosocket_reload).

-export([on_load/1,
         tell/2,
         again/2,
         leave/2,
         decline/1,
         hold/2]).

%% Called by interpreted code.
-export([arrive/3]).

-export_type([loading/0]).

-include("gosocket.hrl").

%% A process that is suspended cannot answer, and must not hold up the loading for ever.
-define(PATIENCE, 5000).
%% Processes that are looked at at the same time: each look waits for its turn to run.
-define(AT_ONCE, 1000).
%% Milliseconds between looks whether the new code is current, and how many looks at most.
-define(POLL, 2).
-define(MOST_LOOKS, 1000).

%% Waits for the end of the loading process. The code server has heard of that, too, before it answers, and makes the code
%% current at once.
-define(USHER,
        "monitor(process, Loader),"
        "(fun Look() ->"
        "     timer:sleep(1),"
        "     process_info(self(), message_queue_len) =:= {message_queue_len, 0} andalso Look()"
        " end)(),"
        "code:get_path(),"
        "atomics:put(Over, 1, 1).").

%% How everybody else does.
-define(WAIT, "begin timer:sleep(Poll), gosocket_reload:arrive(Loading, Next, Looks) end.").

%% The process that loads, a word that is 1 when the new code is current, and how to wait for that.
-opaque loading() :: {Loader :: pid(), Over :: atomics:atomics_ref(), Wait :: erl_parse:abstract_expr()}.

%% @doc For the -on_load functions; the code becomes current when it returns.
-spec on_load(module()) -> ok.
on_load(Module) ->
    process_flag(priority, high),
    [Wait] = parse(?WAIT),
    Loading = {self(), usher(self()), Wait},
    Lanes = [{Lane, monitor(process, Lane)} || Lane <- lanes(Module)],
    lists:foreach(fun({Lane, _}) -> Lane ! {reload, Module, Loading} end, Lanes),
    Deadline = erlang:monotonic_time(millisecond) + ?PATIENCE,
    lists:foreach(fun(Lane) -> await_lane(Lane, Deadline) end, Lanes),
    Module =/= gosocket_wait orelse await_nobody(Module, Deadline),
    ok.

%% Interpreted, too.
-spec usher(Loader :: pid()) -> Over :: atomics:atomics_ref().
usher(Loader) ->
    Over = atomics:new(1, []),
    spawn(erl_eval, exprs, [parse(?USHER), orddict:from_list([{'Loader', Loader}, {'Over', Over}])]),
    Over.

-spec parse(string()) -> [erl_parse:abstract_expr()].
parse(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    Expressions.

%% Calls to other nodes wait in the same code, on behalf of another process. A lane that a release has suspended is in none.
-spec lanes(module()) -> [pid()].
lanes(gosocket_wait) -> lanes(gosocket_lane) ++ gosocket_nodes:remotes();
lanes(_) -> [Lane || {?LANE(Number), _} <- persistent_term:get(), {Lane, _} <- [gosocket_door:look(Number)], not is_in(sys, Lane)].

-spec await_lane({pid(), reference()}, integer()) -> ok.
await_lane({Lane, Monitor}, Deadline) ->
    receive
        {told, Lane, Callers} -> await_callers(Callers, Deadline);
        {leaving, Lane} -> ok;
        {'DOWN', Monitor, process, Lane, _} -> ok
    after left(Deadline) ->
        ok
    end.

-spec await_callers(non_neg_integer(), integer()) -> ok.
await_callers(0, _Deadline) ->
    ok;
await_callers(Callers, Deadline) ->
    receive
        {leaving, _Caller} -> await_callers(Callers - 1, Deadline)
    after left(Deadline) ->
        ok
    end.

%% Who had called, but had not been told.
-spec await_nobody(module(), integer()) -> ok.
await_nobody(Module, Deadline) ->
    case is_empty(Module, processes() -- [self()]) orelse left(Deadline) =:= 0 of
        true -> ok;
        false -> receive after 1 -> await_nobody(Module, Deadline) end
    end.

-spec is_empty(module(), [pid()]) -> boolean().
is_empty(_Module, []) ->
    true;
is_empty(Module, Pids) ->
    {Some, Others} = lists:split(min(?AT_ONCE, length(Pids)), Pids),
    Self = self(),
    Tag = make_ref(),
    lists:foreach(fun(Pid) -> spawn_opt(fun() -> Self ! {Tag, is_in(Module, Pid)} end, [{priority, high}]) end, Some),
    Are = [receive {Tag, Is} -> Is end || _ <- Some],
    not lists:member(true, Are) andalso is_empty(Module, Others).

-spec is_in(module(), pid()) -> boolean().
is_in(Module, Pid) ->
    case erlang:process_info(Pid, current_stacktrace) of
        {current_stacktrace, Calls} -> lists:keymember(Module, 1, Calls);
        undefined -> false
    end.

-spec left(integer()) -> non_neg_integer().
left(Deadline) ->
    max(0, Deadline - erlang:monotonic_time(millisecond)).

%% @doc Called by a lane: these callers wait in the code that is loaded again. The message `{timeout, _, {loaded, Loading}}'
%% says when to call again/2; who calls before that is over waits in old code as well.
-spec tell(loading(), [{pid(), Tag :: term()}]) -> ok.
tell({Loader, _, _} = Loading, Callers) ->
    Loader ! {told, self(), length(Callers)},
    lists:foreach(fun({Pid, Tag}) -> Pid ! {Tag, {leave, Loading}} end, Callers),
    next_look(Loading).

-spec next_look(loading()) -> ok.
next_look(Loading) ->
    erlang:start_timer(?POLL, self(), {loaded, Loading}),
    ok.

%% @doc The loading that is under way after a look at this one, of the last that there was.
-spec again(loading(), Last :: loading() | none) -> loading() | none.
again(Loading, Loading) ->
    case is_over(Loading) of
        true ->
            none;
        false ->
            next_look(Loading),
            Loading
    end;
again(_Loading, Last) ->
    Last.

-spec is_over(loading()) -> boolean().
is_over({_Loader, Over, _Wait}) ->
    atomics:get(Over, 1) =:= 1.

%% @doc Called last, by who is in the module: goes on with the function when the new code is current.
-spec leave(loading(), {module(), atom(), [term()]}) -> term().
leave(Loading, Next) ->
    decline(Loading),
    hold(Loading, Next).

%% @doc Called by who was told to leave and is not in the module.
-spec decline(loading()) -> ok.
decline({Loader, _, _}) ->
    Loader ! {leaving, self()},
    ok.

%% @doc As leave/2, for who was not told but finds that there is a loading under way.
-spec hold(loading(), {module(), atom(), [term()]}) -> term().
hold(Loading, Next) ->
    wait(Loading, Next, ?MOST_LOOKS).

-spec wait(loading(), {module(), atom(), [term()]}, Looks :: non_neg_integer()) -> term().
wait({_Loader, _Over, Wait} = Loading, Next, Looks) ->
    Bindings = orddict:from_list([{'Poll', ?POLL}, {'Loading', Loading}, {'Next', Next}, {'Looks', Looks}]),
    erl_eval:expr(Wait, Bindings, none, none, value).

-spec arrive(loading(), {module(), atom(), [term()]}, Looks :: non_neg_integer()) -> term().
arrive(Loading, {Module, Function, Args} = Next, Looks) ->
    case Looks =:= 0 orelse is_over(Loading) of
        true -> apply(Module, Function, Args);
        false -> wait(Loading, Next, Looks - 1)
    end.
