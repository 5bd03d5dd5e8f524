%% @private
%% @doc Loading a module twice kills whoever still runs its oldest code. Callers wait in
%% {@link gosocket_wait}, lanes in {@link gosocket_lane}, for as long as it takes: before new code of
%% these modules becomes current, everybody who waits in the old one goes through here into the new one.
-module(gosocket_reload).

-export([on_load/1,
         tell/2,
         leave/4]).

-include("gosocket.hrl").

%% A process that is suspended cannot answer, and must not hold up the loading for ever.
-define(PATIENCE, 1000).
%% Milliseconds in which code that was loaded is sure to have become current.
-define(RELOAD, 250).
%% The next loading may purge what await_code/2 looks for.
-define(POLL, 2).
-define(POLLS, 100).

%% @doc For the -on_load functions of these two modules; the code becomes current when it returns.
-spec on_load(module()) -> ok.
on_load(Module) ->
    Lanes = [{Lane, monitor(process, Lane)} || Lane <- lanes(Module)],
    lists:foreach(fun({Lane, _}) -> Lane ! {reload, Module, self()} end, Lanes),
    Deadline = erlang:monotonic_time(millisecond) + ?PATIENCE,
    lists:foreach(fun(Lane) -> await_lane(Lane, Deadline) end, Lanes).

%% Calls to other nodes wait in the same code, on behalf of another process.
-spec lanes(module()) -> [pid()].
lanes(gosocket_wait) -> lanes(gosocket_lane) ++ gosocket_nodes:remotes();
lanes(_) -> [Lane || {?LANE(_), #gosocket_lane{pid = Lane}} <- persistent_term:get()].

-spec await_lane({pid(), reference()}, integer()) -> ok.
await_lane({Lane, Monitor}, Deadline) ->
    receive
        {told, Lane, Callers} -> await_callers(Callers, Deadline);
        {'DOWN', Monitor, process, Lane, _} -> ok
    after left(Deadline) ->
        ok
    end.

-spec await_callers(non_neg_integer(), integer()) -> ok.
await_callers(0, _Deadline) ->
    ok;
await_callers(Callers, Deadline) ->
    receive
        leaving -> await_callers(Callers - 1, Deadline)
    after left(Deadline) ->
        ok
    end.

-spec left(integer()) -> non_neg_integer().
left(Deadline) ->
    max(0, Deadline - erlang:monotonic_time(millisecond)).

%% @doc Called by a lane: these callers wait in the code that is loaded again. The message `{timeout, _, {loaded, Loader}}'
%% says that it is current; who calls before that waits in old code as well.
-spec tell(Loader :: pid(), [{pid(), Tag :: term()}]) -> ok.
tell(Loader, Callers) ->
    Loader ! {told, self(), length(Callers)},
    lists:foreach(fun({Pid, Tag}) -> Pid ! {Tag, {leave, Loader}} end, Callers),
    erlang:start_timer(?RELOAD, self(), {loaded, Loader}),
    ok.

%% @doc Called in place of waiting; goes on with the function when the new code is there.
-spec leave(Loader :: pid(), module(), atom(), [term()]) -> term().
leave(Loader, Module, Function, Args) ->
    Monitor = monitor(process, Loader),
    Loader ! leaving,
    receive
        {'DOWN', Monitor, process, Loader, _} -> ok
    end,
    await_code(Module, ?POLLS),
    apply(Module, Function, Args).

%% The code server makes the code current a moment after the process of -on_load has ended; from then
%% on there is old code.
-spec await_code(module(), non_neg_integer()) -> ok.
await_code(Module, Rounds) ->
    case Rounds =:= 0 orelse erlang:check_old_code(Module) of
        true ->
            ok;
        false ->
            receive after ?POLL -> await_code(Module, Rounds - 1) end
    end.
