%% @private
%% @doc What a lane knows of processes of other nodes, to which it never sends and which it never monitors
%% itself: both can suspend who does it. Their calls come through proxies; results for them are kept here
%% until the proxy says whether they arrived, so that nothing is lost with either. Their deaths are watched
%% for by a process each.
-module(gosocket_far).

-export([new/0,
         sent/5,
         is_proxy/2,
         event/2,
         is_waiting/2,
         forget_dead/1,
         dropped/1,
         caller/1]).

-export([watch/1,
         unwatch/1]).

%% The watching process.
-export([init_watch/1,
         watching/1]).

-include("gosocket.hrl").

-export_type([far/0, place/0, item/0]).

-record(far,
        {proxies = #{} :: #{pid() => proxy()},
         %% since forget_dead/1
         dead = #{} :: #{pid() => true}}).

-record(proxy,
        {node :: node(),
         results = #{} :: #{Number :: pos_integer() => {place(), Frame :: binary()}},
         %% their deaths count when what they have confirmed is through
         dying = [] :: [pid()]}).

-opaque far() :: #far{}.
-type proxy() :: #proxy{}.

%% The socket that was read from, or the listener and what it accepted.
-type place() :: {Socket :: non_neg_integer(), Arrives :: non_neg_integer()}.

-type event() :: {proxy, Proxy :: pid(), node()}               % it is going to call
               | {settled, Proxy :: pid(), Number :: pos_integer(), arrived | lost}
               | {synced, Proxy :: pid(), Process :: pid()}     % what it knew of before is settled
               | {down, Proxy :: pid()}
               | {died, Process :: pid()}.

%% What the helper is to be told.
-type item() :: {handback, Socket :: non_neg_integer(), Frame :: binary()}
              | {arrived | drop, Socket :: non_neg_integer(), Id :: non_neg_integer()}.

-include("gosocket_reload.hrl").

-spec new() -> far().
new() ->
    #far{}.

%% @doc The frame of this number went to the proxy.
-spec sent(Proxy :: pid(), Number :: pos_integer(), place(), Frame :: binary(), far()) -> far().
sent(Pid, Number, Place, Frame, #far{proxies = Proxies} = Far) ->
    #{Pid := #proxy{results = Results} = Proxy} = Proxies,
    put_proxy(Pid, Proxy#proxy{results = Results#{Number => {Place, Frame}}}, Far).

-spec put_proxy(pid(), proxy(), far()) -> far().
put_proxy(Pid, Proxy, #far{proxies = Proxies} = Far) ->
    Far#far{proxies = Proxies#{Pid => Proxy}}.

-spec is_proxy(pid(), far()) -> boolean().
is_proxy(Pid, #far{proxies = Proxies}) ->
    is_map_key(Pid, Proxies).

%% @doc What the helper is to be told, and who is dead.
-spec event(event(), far()) -> {[item()], Dead :: [pid()], far()}.
event({proxy, Pid, Node}, Far) ->
    monitor(process, Pid),
    {[], [], put_proxy(Pid, #proxy{node = Node}, Far)};
event({settled, Pid, Number, How}, #far{proxies = Proxies} = Far) ->
    #{Pid := #proxy{results = Results} = Proxy} = Proxies,
    {Result, Others} = maps:take(Number, Results),
    {[outcome(How, Result)], [], put_proxy(Pid, Proxy#proxy{results = Others}, Far)};
event({down, Pid}, #far{proxies = Proxies} = Far) ->
    {#proxy{results = Results, dying = Dying}, Others} = maps:take(Pid, Proxies),
    Lost = [outcome(lost, Result) || {_, Result} <- lists:sort(maps:to_list(Results))],
    {Lost ++ unanswered(Pid), Dying, dead(Dying, Far#far{proxies = Others})};
event({synced, Pid, Process}, #far{proxies = Proxies} = Far) ->
    #{Pid := #proxy{dying = Dying} = Proxy} = Proxies,
    {[], [Process], dead([Process], put_proxy(Pid, Proxy#proxy{dying = lists:delete(Process, Dying)}, Far))};
event({died, Process}, Far) when node(Process) =:= node() ->
    {[], [Process], Far};
event({died, Process}, #far{proxies = Proxies} = Far) ->
    %% an accepted connection would go to the next acceptor, though the dead one has had it
    case [Entry || {_, #proxy{node = Node, results = Results}} = Entry <- maps:to_list(Proxies),
                   Node =:= node(Process), map_size(Results) > 0] of
        [] ->
            {[], [Process], dead([Process], Far)};
        [{Pid, #proxy{dying = Dying} = Proxy} | _] ->
            Pid ! {sync, self(), Process},
            {[], [], put_proxy(Pid, Proxy#proxy{dying = [Process | Dying]}, Far)}
    end.

-spec dead([pid()], far()) -> far().
dead(Processes, #far{dead = Dead} = Far) ->
    Far#far{dead = maps:merge(Dead, maps:from_list([{Process, true} || Process <- Processes]))}.

-spec outcome(arrived | lost, {place(), Frame :: binary()}) -> item().
outcome(arrived, {{_, Arrives}, Frame}) -> {arrived, Arrives, id(Frame)};
outcome(lost, {{Socket, _}, Frame}) -> {handback, Socket, Frame}.

-spec id(Frame :: binary()) -> non_neg_integer().
id(<<?ANSWER(Id), _/binary>>) -> Id;
id(<<131, 104, 3, 119, 4, "more", 98, Id:32, _/binary>>) -> Id.

%% The lane's calls stand in its dictionary. They stay there: an answer may be on its way already.
-spec unanswered(Proxy :: pid()) -> [item()].
unanswered(Proxy) ->
    [{drop, Socket, Id} || {Id, {Pid, _, _, _, Socket}} <- get(), is_integer(Id), Id >= 0, Pid =:= Proxy].

%% ---- Calls of the lane's

%% @doc Whether the caller lives.
-spec is_waiting(Entry :: tuple(), far()) -> boolean().
is_waiting({Proxy, {far, Caller, _}, _, _, _}, #far{dead = Dead}) ->
    is_process_alive(Proxy) andalso not is_map_key(Caller, Dead);
is_waiting({Pid, _, _, _, _}, _Far) ->
    is_process_alive(Pid).

-spec forget_dead(far()) -> far().
forget_dead(Far) ->
    Far#far{dead = #{}}.

%% @doc It will not be answered.
-spec dropped(Entry :: tuple()) -> ok.
dropped({Proxy, {far, _, _} = Tag, _, _, _}) ->
    Proxy ! {Tag, dropped},
    ok;
dropped(_Entry) ->
    ok.

-spec caller(Entry :: tuple()) -> pid().
caller({_, {far, Caller, _}, _, _, _}) -> Caller;
caller({Pid, _, _, _, _}) -> Pid.

%% ---- Deaths

%% @doc The death of a process of another node comes as the exit `{died, Process}' of the one returned.
-spec watch(pid()) -> reference() | pid().
watch(Process) when node(Process) =:= node() -> monitor(process, Process);
watch(Process) -> spawn_link(?MODULE, init_watch, [Process]).

-spec unwatch(reference() | pid()) -> true.
unwatch(Monitor) when is_reference(Monitor) ->
    demonitor(Monitor, [flush]);
unwatch(Watcher) ->
    unlink(Watcher),
    exit(Watcher, kill).

%% In no code while it waits: loading this module again ends nobody.
-spec init_watch(pid()) -> no_return().
init_watch(Process) ->
    Monitor = monitor(process, Process),
    erlang:hibernate(?MODULE, watching, [Monitor]).

-spec watching(reference()) -> no_return().
watching(Monitor) ->
    receive
        {'DOWN', Monitor, process, Process, _} -> exit({died, Process})
    end.
