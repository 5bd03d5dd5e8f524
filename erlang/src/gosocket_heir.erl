%% @private
%% @doc Gets the tables of a guardian that is killed, and sends the aborts in its place. No supervisor knows of it: that of
%% the application may be killed together with the guardian. It ends when the guardian has ended and its tables are done with.
-module(gosocket_heir).

-export([start/0,
         await/0]).

%% The process.
-export([init/1,
         wait/2]).

-type inheritance() :: [{gosocket_guardian:lane(), ets:table()}].

%% @doc Called by a new guardian. What an earlier one has left is done first.
-spec start() -> pid().
start() ->
    case whereis(?MODULE) of
        undefined ->
            Guardian = self(),
            Heir = spawn(?MODULE, init, [Guardian]),
            true = register(?MODULE, Heir),
            Heir;
        Earlier ->
            Monitor = monitor(process, Earlier),
            receive
                {'DOWN', Monitor, process, Earlier, _} -> start()
            end
    end.

%% @doc Called when a guardian is gone: returns when the aborts of its lanes are sent.
-spec await() -> ok.
await() ->
    case whereis(?MODULE) of
        undefined -> ok;
        Heir -> await(Heir)
    end.

-spec await(pid()) -> ok.
await(Heir) ->
    Monitor = monitor(process, Heir),
    Heir ! {await, self(), Monitor},
    receive
        {Monitor, done} ->
            demonitor(Monitor, [flush]),
            ok;
        {'DOWN', Monitor, process, Heir, _} ->
            ok
    end.

%% With the group leader of the guardian.
-spec init(pid()) -> no_return().
init(Guardian) ->
    rest(monitor(process, Guardian), []).

%% In no code while it waits: loading this module again ends nobody.
-spec rest(reference(), inheritance()) -> no_return().
rest(Monitor, Tables) ->
    erlang:hibernate(?MODULE, wait, [Monitor, Tables]).

%% A process that ends gives its tables away before anybody hears of its end, so all that there is to be inherited has come
%% before the end of the guardian, and before the question of whoever has heard of that. The lanes end at the same time.
-spec wait(reference(), inheritance()) -> no_return() | ok.
wait(Monitor, Tables) ->
    receive
        {'ETS-TRANSFER', Table, _Guardian, Lane} ->
            rest(Monitor, [{Lane, Table} | Tables]);
        {await, Pid, Tag} ->
            gosocket_guardian:inherited(Tables),
            Pid ! {Tag, done},
            rest(Monitor, []);
        {'DOWN', Monitor, process, _, _} ->
            gosocket_guardian:inherited(Tables)
    end.
