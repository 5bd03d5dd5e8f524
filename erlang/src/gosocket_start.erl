%% @private
%% @doc Starting on demand: the first open starts the application and the lane, from any process, in
%% bounded time.
-module(gosocket_start).

-export([lane/1]).

%% The process that starts.
-export([run/1]).

%% While the node stops, or from another application's prep_stop/1, the application controller never
%% answers.
-define(PATIENCE, 5000).

%% @doc The lane of this number; its helper may still have its hello to say.
-spec lane(Number :: non_neg_integer()) -> {ok, pid()} | {error, atom()}.
lane(Number) ->
    {Starter, Monitor} = spawn_monitor(?MODULE, run, [Number]),
    receive
        {'DOWN', Monitor, process, Starter, {?MODULE, Result}} -> Result;
        {'DOWN', Monitor, process, Starter, _} -> {error, closed}
    after ?PATIENCE ->
        demonitor(Monitor, [flush]),
        exit(Starter, kill),
        {error, closed}
    end.

-spec run(non_neg_integer()) -> no_return().
run(Number) ->
    exit({?MODULE, start(Number)}).

-spec start(non_neg_integer()) -> {ok, pid()} | {error, atom()}.
start(Number) ->
    case application:ensure_all_started(gosocket) of
        {ok, _} -> started(Number, gosocket_sup:start_lane(Number));
        {error, _} -> {error, closed}
    end.

-spec started(non_neg_integer(), supervisor:startchild_ret()) -> {ok, pid()} | {error, atom()}.
started(_Number, {ok, Lane}) when is_pid(Lane) ->
    {ok, Lane};
started(Number, {error, {already_started, Lane}}) when is_pid(Lane) ->
    case is_process_alive(Lane) of
        true ->
            {ok, Lane};
        false ->
            %% its supervisor does not know yet
            receive after 1 -> start(Number) end
    end;
started(_Number, {error, {{no_helper, Posix}, _Child}}) ->
    {error, Posix};
started(_Number, _) ->
    {error, closed}.
