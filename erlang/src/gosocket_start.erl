%% @private
%% @doc Starting on demand: the first open, or the first call with another node's handle, starts the
%% application and what it needs there, from any process, in bounded time.
-module(gosocket_start).

-export([lane/1,
         remote/1]).

%% The process that starts.
-export([run/1]).

%% While the node stops, or from another application's prep_stop/1, the application controller never
%% answers.
-define(PATIENCE, 5000).

%% @doc The lane of this number; its helper may still have its hello to say.
-spec lane(Number :: non_neg_integer()) -> {ok, pid()} | {error, atom()}.
lane(Number) ->
    case gosocket_platform:check() of
        ok -> bounded({lane, Number});
        {error, Reason} -> {error, Reason}
    end.

%% @doc Who calls that node.
-spec remote(node()) -> {ok, pid()} | {error, closed}.
remote(Node) ->
    bounded({remote, Node}).

-type what() :: {lane, non_neg_integer()} | {remote, node()}.

-spec bounded(what()) -> {ok, pid()} | {error, atom()}.
bounded(What) ->
    {Starter, Monitor} = spawn_monitor(?MODULE, run, [What]),
    receive
        {'DOWN', Monitor, process, Starter, {?MODULE, Result}} -> Result;
        {'DOWN', Monitor, process, Starter, _} -> {error, closed}
    after ?PATIENCE ->
        demonitor(Monitor, [flush]),
        exit(Starter, kill),
        {error, closed}
    end.

%% Who is asked may be killed, or be about to end with somebody who was: the next one is asked.
-spec run(what()) -> no_return().
run(What) ->
    exit({?MODULE, case application:ensure_all_started(gosocket) of
                       {ok, _} ->
                           try
                               start(What)
                           catch
                               exit:_ ->
                                   receive after 1 -> run(What) end
                           end;
                       {error, _} ->
                           {error, closed}
                   end}).

-spec start(what()) -> {ok, pid()} | {error, atom()}.
start({lane, Number}) -> started(Number, gosocket_sup:start_lane(Number));
start({remote, Node}) -> gosocket_nodes:start_remote(Node).

-spec started(non_neg_integer(), supervisor:startchild_ret()) -> {ok, pid()} | {error, atom()}.
started(_Number, {ok, Lane}) when is_pid(Lane) ->
    {ok, Lane};
started(Number, {error, {already_started, Lane}}) when is_pid(Lane) ->
    case is_process_alive(Lane) of
        true ->
            {ok, Lane};
        false ->
            %% its supervisor does not know yet
            receive after 1 -> start({lane, Number}) end
    end;
started(_Number, {error, {{no_helper, Posix}, _Child}}) ->
    {error, Posix};
started(_Number, _) ->
    {error, closed}.
