%% @private
%% @doc A lane: the process that owns one helper's port. It gathers the requests in its mailbox into one
%% frame, routes each answer to its caller, makes the handles, watches processes for the helper, and
%% watches the helper. Calls that wait for their answer stand in the process dictionary, the one table
%% that costs nothing, as `Id => {Caller, Monitor, Class, Ref, Socket}'.
%%
%% When the helper is gone the lane ends: its callers see that by their monitors, armed selects are the
%% guardian's, and the next open starts another.
-module(gosocket_lane).

-export([start_link/1]).

-export([init/2,
         loop/1]).

-on_load(on_load/0).

-export_type([lane/0]).

-include("gosocket.hrl").

-define(LAST_ID, 16#7fffffff).

-define(DEFAULT_LANE_SPIN, 60).
-define(DEFAULT_CALLER_SPIN, 15).

-record(lane,
        {parent :: pid(),
         node = node() :: node(),
         guardian :: pid(),
         home :: gosocket_handle:home(),
         port :: port(),
         hello :: gosocket_helper:hello(),
         outbox :: gosocket_outbox:outbox(),
         selects :: gosocket_selects:selects(),
         quiet :: gosocket_quiet:quiet(),
         spin :: non_neg_integer(),
         next = 0 :: non_neg_integer(),
         calls = 0 :: non_neg_integer(),
         %% frames received, the hello included, and whether the helper has to learn their number
         frames = 1 :: pos_integer(),
         undelivered = false :: boolean(),
         sockets = #{} :: #{non_neg_integer() => {gosocket_handle:handle(), Registered :: boolean(), Born :: integer()}},
         liveness = gosocket_liveness:new() :: gosocket_liveness:liveness(),
         far = gosocket_far:new() :: gosocket_far:far(),
         %% whether processes died since the last tick, and calls of dead processes
         deaths = false :: boolean(),
         orphans = [] :: [non_neg_integer()],
         loader = undefined :: pid() | undefined,
         ticking = false :: boolean()}).

-opaque lane() :: #lane{}.

%% A proxy's calls have `{far, Caller, Tag}' for a monitor.
-type entry() :: {pid(), Monitor :: reference() | {far, pid(), reference()}, gosocket_wait:class(), Ref :: reference() | [],
                  %% of an open: whether the socket goes into the registry
                  Socket :: non_neg_integer() | boolean()}.

-spec on_load() -> ok.
on_load() ->
    case persistent_term:get(?LANE(?DEFAULT_LANE), none) of
        none -> ok;
        _ -> gosocket_reload:on_load(?MODULE)
    end.

%% @doc Returns when the helper is started, before its hello: opens wait for that in the mailbox.
-spec start_link(Number :: non_neg_integer()) -> {ok, pid()} | {error, term()}.
start_link(Number) ->
    proc_lib:start_link(?MODULE, init, [self(), Number], infinity,
                        [{message_queue_data, off_heap}, {min_heap_size, 10000}, {fullsweep_after, 100}]).

-spec init(pid(), non_neg_integer()) -> no_return().
init(Parent, Number) ->
    process_flag(trap_exit, true),
    case gosocket_helper:start() of
        {ok, Port} ->
            proc_lib:init_ack(Parent, {ok, self()}),
            greeted(Parent, Number, Port, gosocket_helper:hello(Port));
        {error, Posix} ->
            gosocket_helper:log_failure(Posix),
            proc_lib:init_ack(Parent, {error, {no_helper, Posix}}),
            exit({shutdown, {no_helper, Posix}})
    end.

-spec greeted(pid(), non_neg_integer(), port(), Hello) -> no_return() when
      Hello :: {ok, gosocket_helper:hello()} | {error, atom()}.
greeted(Parent, Number, Port, {ok, #{pid := OsPid, window := Window, frame_limit := Limit} = Hello}) ->
    Incarnation = erlang:unique_integer([positive, monotonic]),
    Quiet = gosocket_quiet:new(),
    {Guardian, Table} = gosocket_guardian:enroll(Number, OsPid),
    persistent_term:put(?LANE(Number),
                        #gosocket_lane{pid = self(),
                                       incarnation = Incarnation,
                                       window = Window,
                                       spin = variable(caller_spin, ?DEFAULT_CALLER_SPIN),
                                       clock = gosocket_clock:expected(Hello),
                                       quiet = gosocket_quiet:flag(Quiet)}),
    Lane = #lane{parent = Parent,
                 guardian = Guardian,
                 home = {Number, Incarnation},
                 port = Port,
                 hello = Hello,
                 outbox = gosocket_outbox:new(Port, Limit),
                 selects = gosocket_selects:new(Table),
                 quiet = Quiet,
                 spin = variable(lane_spin, ?DEFAULT_LANE_SPIN)},
    %% ahead of the calls that wait in the mailbox: no socket is there before the clocks are compared
    loop(tell(gosocket_registry:debug(), tell(gosocket_clock:question(Number), Lane)));
greeted(_Parent, _Number, Port, {error, Posix}) ->
    gosocket_helper:log_failure(Posix),
    gosocket_helper:kill(gosocket_helper:os_pid(Port)),
    exit({shutdown, {no_helper, Posix}}).

-spec variable(atom(), non_neg_integer()) -> non_neg_integer().
variable(Name, Default) ->
    application:get_env(gosocket, Name, Default).

%% The whole mailbox is read before the batch goes out. Handlers are tail calls: a lane that waits has
%% nothing on its stack (see gosocket_reload).

-spec loop(lane()) -> no_return().
loop(Lane) ->
    receive
        Message -> handle(Message, Lane)
    end.

-spec drain(lane()) -> no_return().
drain(Lane) ->
    receive
        Message -> handle(Message, Lane)
    after 0 ->
        idle(flush(Lane))
    end.

-spec idle(lane()) -> no_return().
idle(#lane{quiet = Quiet, spin = Rounds} = Lane) ->
    case gosocket_quiet:is_quiet(Quiet) of
        true -> spin(Rounds, Lane);
        false -> loop(Lane)
    end.

-spec spin(non_neg_integer(), lane()) -> no_return().
spin(0, Lane) ->
    loop(Lane);
spin(Rounds, Lane) ->
    receive
        Message -> handle(Message, Lane)
    after 0 ->
        erlang:bump_reductions(4000),
        erlang:yield(),
        spin(Rounds - 1, Lane)
    end.

-spec flush(lane()) -> lane().
flush(#lane{undelivered = true, outbox = Outbox} = Lane) ->
    case gosocket_outbox:is_empty(Outbox) of
        true -> Lane;
        false -> flush(deliver(Lane))
    end;
flush(#lane{outbox = Outbox} = Lane) ->
    Lane#lane{outbox = gosocket_outbox:flush(Outbox)}.

%% Frames are handed over as they come: all of them are delivered.
-spec deliver(lane()) -> lane().
deliver(#lane{frames = Frames} = Lane) ->
    tell({delivered, Frames}, Lane#lane{undelivered = false}).

-spec tell(Item :: tuple(), lane()) -> lane().
tell(Item, #lane{outbox = Outbox} = Lane) ->
    Lane#lane{outbox = gosocket_outbox:control(gosocket_term:item(Item), Outbox)}.

-spec handle(Message :: term(), lane()) -> no_return().
handle(_Message, #lane{node = Node} = Lane) when Node =/= node() ->
    %% the helper knows processes by what their pids were before, and could tell of none
    gone(renamed, Lane);
handle({call, Entry, Item}, Lane) ->
    drain(request(Entry, Item, Lane));
handle({Port, {data, Frame}}, #lane{port = Port} = Lane) ->
    drain(frame(Frame, Lane));
handle({chunk, Item}, #lane{outbox = Outbox} = Lane) ->
    drain(Lane#lane{outbox = gosocket_outbox:payload(Item, Outbox)});
handle({'DOWN', _Monitor, process, Guardian, _Reason}, #lane{guardian = Guardian} = Lane) ->
    unguarded(Lane);
handle({'DOWN', _Monitor, process, Process, _Reason}, Lane) ->
    drain(down(Process, Lane));
handle({'EXIT', _Watcher, {died, Process}}, Lane) ->
    drain(died(Process, Lane));
handle({far, Event}, #lane{far = Far} = Lane) ->
    drain(far(gosocket_far:event(Event, Far), Lane));
handle({tell, Item}, Lane) ->
    drain(tell(Item, Lane));
handle({timeout, _Timer, tick}, Lane) ->
    drain(tick(Lane));
handle({ask, Pid, Monitor, sockets}, #lane{sockets = Sockets} = Lane) ->
    Newest = lists:reverse(lists:keysort(3, maps:values(Sockets))),
    Pid ! {Monitor, [{Handle, Registered} || {Handle, Registered, _} <- Newest]},
    drain(Lane);
handle({ask, Pid, Monitor, helper}, #lane{hello = #{pid := OsPid}} = Lane) ->
    Pid ! {Monitor, OsPid},
    drain(Lane);
handle({Port, {exit_status, Status}}, #lane{port = Port} = Lane) ->
    gone({exit_status, Status}, Lane);
handle({'EXIT', Port, Reason}, #lane{port = Port} = Lane) ->
    gone(Reason, Lane);
handle({'EXIT', Parent, Reason}, #lane{parent = Parent}) ->
    exit(Reason);
handle({'EXIT', Guardian, _Reason}, #lane{guardian = Guardian} = Lane) ->
    unguarded(Lane);
handle({'EXIT', Watcher, _Reason}, #lane{liveness = Liveness} = Lane) ->
    drain(Lane#lane{liveness = gosocket_liveness:watcher_ended(Watcher, Liveness)});
handle({system, From, Request}, #lane{parent = Parent} = Lane) ->
    sys:handle_system_msg(Request, From, Parent, gosocket_lane_sys, [], flush(Lane));
handle({reload, Module, Loader}, Lane) ->
    reload(Module, Loader, flush(Lane));
handle({timeout, _Timer, {loaded, Loader}}, #lane{loader = Loader} = Lane) ->
    drain(Lane#lane{loader = undefined});
handle(_Other, Lane) ->
    drain(Lane).

%% ---- Requests

-spec request(entry(), gosocket_term:item(), lane()) -> lane().
request(Entry, Item, #lane{outbox = Outbox, next = Next, calls = Calls, quiet = Quiet} = Lane) ->
    case gosocket_outbox:is_allowed(Item, Outbox) of
        true ->
            Id = free_id(Next),
            put(Id, Entry),
            tell_leave(Entry, Lane),
            ticking(Lane#lane{outbox = enqueue(gosocket_term:request(Id, Item), Outbox),
                              next = (Id + 1) band ?LAST_ID,
                              calls = Calls + 1,
                              quiet = gosocket_quiet:note(element(1, Entry), Id, Quiet)});
        false ->
            {Pid, Monitor, _, _, _} = Entry,
            Pid ! {Monitor, {failed, emsgsize}},
            Lane
    end.

%% Ids come round again, calls may wait for ever.
-spec free_id(non_neg_integer()) -> non_neg_integer().
free_id(Id) ->
    case get(Id) of
        undefined -> Id;
        _ -> free_id((Id + 1) band ?LAST_ID)
    end.

-spec enqueue(gosocket_term:item(), gosocket_outbox:outbox()) -> gosocket_outbox:outbox().
enqueue(Item, Outbox) when is_binary(Item) -> gosocket_outbox:control(Item, Outbox);
enqueue(Item, Outbox) -> gosocket_outbox:payload(Item, Outbox).

%% ---- Frames of the helper

-spec frame(binary(), lane()) -> lane() | no_return().
frame(<<?ANSWER(Id), _/binary>> = Frame, #lane{frames = Frames, calls = Calls} = Lane) ->
    case erase(Id) of
        undefined -> Lane#lane{frames = Frames + 1};
        Entry -> answer(Entry, Frame, Lane#lane{frames = Frames + 1, calls = Calls - 1})
    end;
frame(<<131, 104, 3, 119, 4, "more", 98, Id:32, _/binary>> = Frame, #lane{frames = Frames} = Lane) ->
    forward(get(Id), Frame, Lane#lane{frames = Frames + 1});
frame(Frame, #lane{frames = Frames} = Lane) ->
    event(binary_to_term(Frame), Frame, Lane#lane{frames = Frames + 1}).

-spec answer(entry(), binary(), lane()) -> lane().
answer({Pid, Monitor, plain, _, _}, Frame, Lane) ->
    Pid ! {Monitor, Frame},
    Lane;
answer({_, _, open, _, Registered} = Entry, <<?ANSWER(_), ?OK_HEAD, _/binary>> = Frame, Lane) ->
    new_socket(Entry, Registered, Frame, Lane);
answer({_, _, accept, _, _} = Entry, <<?ANSWER(_), ?OK_HEAD, _/binary>> = Frame, Lane) ->
    accepted(Entry, Frame, settle(Entry, Frame, Lane));
answer(Entry, Frame, Lane) ->
    forward(Entry, Frame, settle(Entry, Frame, Lane)).

%% Who is dead gets nothing. The question comes before the sending: a process that has got its message may
%% have ended by the time that it could be asked, and what it took must not be given to another as well.
-spec forward(entry() | undefined, binary(), lane()) -> lane().
forward({Pid, _, read, _, Socket} = Entry, Frame, #lane{selects = Selects} = Lane) ->
    case is_process_alive(Pid) of
        true -> give(Entry, Frame, Socket, Frame, Lane#lane{undelivered = true});
        false -> handback(Socket, Frame, Lane#lane{selects = gosocket_selects:unsent(Selects)})
    end;
forward({Pid, Monitor, _, [], _}, Frame, Lane) ->
    Pid ! {Monitor, Frame},
    Lane;
forward({Pid, Monitor, _, _, _}, Frame, #lane{selects = Selects} = Lane) ->
    Lane#lane{selects = gosocket_selects:send(Pid, {Monitor, Frame}, Selects)};
forward(undefined, _Frame, Lane) ->
    Lane.

%% A proxy tells when it has arrived; of an accept that is the accepted socket's.
-spec give(entry(), Answer :: term(), Arrives :: non_neg_integer(), binary(), lane()) -> lane().
give({Pid, Monitor, _, [], _}, Answer, _Arrives, _Frame, Lane) when is_reference(Monitor) ->
    Pid ! {Monitor, Answer},
    Lane;
give({Pid, Monitor, _, _, _}, Answer, _Arrives, _Frame, #lane{selects = Selects} = Lane) when is_reference(Monitor) ->
    Lane#lane{selects = gosocket_selects:send(Pid, {Monitor, Answer}, Selects)};
give({Proxy, Tag, _, _, Socket}, Answer, Arrives, Frame, #lane{frames = Frames, far = Far, selects = Selects} = Lane) ->
    Lane#lane{selects = gosocket_selects:send(Proxy, {Tag, Answer, Frames}, Selects),
              far = gosocket_far:sent(Proxy, Frames, {Socket, Arrives}, Frame, Far)}.

-spec handback(Socket :: non_neg_integer(), binary(), lane()) -> lane().
handback(Socket, Frame, Lane) ->
    tell({handback, Socket, Frame}, Lane#lane{undelivered = true}).

-spec accepted(entry(), binary(), lane()) -> lane().
accepted({Pid, _, _, _, Listener} = Entry, Frame, #lane{sockets = Sockets} = Lane) ->
    Registered = case Sockets of
                     #{Listener := {_, As, _}} -> As;
                     _ -> true
                 end,
    case is_process_alive(Pid) of
        true -> new_socket(Entry, Registered, Frame, Lane#lane{undelivered = true});
        false -> handback(Listener, Frame, Lane)
    end.

-spec new_socket(entry(), Registered :: boolean(), binary(), lane()) -> lane().
new_socket(Entry, Registered, Frame, #lane{home = Home, sockets = Sockets} = Lane) ->
    {_Id, {ok, {Socket, Domain, Type, Protocol, CType}}} = binary_to_term(Frame),
    Handle = gosocket_handle:new(Home, Socket, {Domain, Type, Protocol, CType}),
    Known = Lane#lane{sockets = Sockets#{Socket => {Handle, Registered, erlang:unique_integer([monotonic])}}},
    give(Entry, {ok, {'$socket', Handle}}, Socket, Frame, Known).

-spec event(Event :: tuple(), Frame :: binary(), lane()) -> lane() | no_return().
event({want, Id, _Offset, _Bytes}, Frame, Lane) ->
    forward(get(Id), Frame, Lane);
event({consumed, Bytes}, _, #lane{outbox = Outbox} = Lane) ->
    Lane#lane{outbox = gosocket_outbox:consumed(Bytes, Outbox)};
event({select, Socket, Process, Ref}, _, Lane) ->
    message(Socket, Process, Ref, {select, Ref}, Lane);
event({abort, Socket, Process, Ref, Reason}, _, Lane) ->
    message(Socket, Process, Ref, {abort, {Ref, Reason}}, Lane);
event({closed, Socket, {Owner, Counters}}, _, #lane{sockets = Sockets} = Lane) ->
    case maps:take(Socket, Sockets) of
        {{Handle, _, _}, Rest} ->
            gosocket_handle:close(Handle, Owner, Counters),
            Lane#lane{sockets = Rest};
        error ->
            Lane
    end;
event({watch, Process}, _, #lane{liveness = Liveness} = Lane) ->
    Lane#lane{liveness = gosocket_liveness:watch(Process, Liveness)};
event({unwatch, Process}, _, #lane{liveness = Liveness} = Lane) ->
    Lane#lane{liveness = gosocket_liveness:unwatch(Process, Liveness)};
event({confirm, _Frame}, _, Lane) ->
    deliver(Lane);
event({pong, _}, _, Lane) ->
    Lane;
event({clock, Before, Reading}, _, #lane{home = {Number, _}} = Lane) ->
    gosocket_clock:answered(Number, Before, Reading),
    Lane;
event({bad, _, _} = Bad, _, Lane) ->
    %% nobody can say whose calls went with the frame
    gone(Bad, Lane).

-spec message(non_neg_integer(), pid(), reference(), {select | abort, term()}, lane()) -> lane().
message(Socket, Process, Ref, {Tag, Info}, #lane{sockets = Sockets, selects = Selects} = Lane) ->
    {Handle, _, _} = maps:get(Socket, Sockets),
    Lane#lane{selects = gosocket_selects:fire(Ref, Process, {'$socket', {'$socket', Handle}, Tag, Info}, Selects)}.

-spec down(pid(), lane()) -> lane().
down(Pid, #lane{far = Far} = Lane) ->
    case gosocket_far:is_proxy(Pid, Far) of
        true -> far(gosocket_far:event({down, Pid}, Far), Lane#lane{deaths = true});
        false -> died(Pid, Lane)
    end.

-spec far({[gosocket_far:item()], Dead :: [pid()], gosocket_far:far()}, lane()) -> lane().
far({Items, Dead, Far}, Lane) ->
    lists:foldl(fun dead/2, lists:foldl(fun tell/2, Lane#lane{far = Far}, Items), Dead).

%% Whatever the dead one has had is delivered: an accepted connection would go to the next acceptor otherwise.
-spec died(pid(), lane()) -> lane().
died(Process, #lane{undelivered = true} = Lane) ->
    died(Process, deliver(Lane));
died(Process, #lane{far = Far} = Lane) ->
    far(gosocket_far:event({died, Process}, Far), Lane).

-spec dead(pid(), lane()) -> lane().
dead(Process, #lane{liveness = Liveness, selects = Selects} = Lane) ->
    tell({died, Process}, Lane#lane{liveness = gosocket_liveness:forget(Process, Liveness),
                                    selects = gosocket_selects:dead(Process, Selects),
                                    deaths = true}).

-spec settle(entry(), binary(), lane()) -> lane().
settle({_, _, Class, Ref, Socket} = Entry, Frame, #lane{selects = Selects, sockets = Sockets} = Lane) ->
    case Ref =:= [] andalso gosocket_selects:is_empty(Selects) of
        true ->
            Lane;
        false ->
            case Sockets of
                #{Socket := {Handle, _, _}} ->
                    Settled = gosocket_selects:settle({gosocket_far:caller(Entry), Class, Ref, Socket}, Handle, Frame, Selects),
                    Lane#lane{selects = Settled};
                _ ->
                    Lane
            end
    end.

%% ---- Is the helper alive?

-spec ticking(lane()) -> lane().
ticking(#lane{ticking = true} = Lane) ->
    Lane;
ticking(#lane{liveness = Liveness} = Lane) ->
    Lane#lane{ticking = true, liveness = gosocket_liveness:start(Liveness)}.

-spec tick(lane()) -> lane() | no_return().
tick(Lane) ->
    case bury(Lane) of
        #lane{calls = 0, selects = Selects} = Lane1 ->
            case gosocket_selects:is_empty(Selects) of
                true -> Lane1#lane{ticking = false};
                false -> listen(Lane1)
            end;
        Lane1 ->
            listen(Lane1)
    end.

%% The helper drops what dead processes wait for without an answer. An answer that was on its way when
%% the process died is still to be handed back: such a call is forgotten one tick after it was found.
-spec bury(lane()) -> lane().
bury(#lane{deaths = false, orphans = []} = Lane) ->
    Lane;
bury(#lane{deaths = Deaths, orphans = Orphans, calls = Calls, far = Far} = Lane) ->
    Buried = [Entry || Id <- Orphans, Entry <- [erase(Id)], Entry =/= undefined],
    lists:foreach(fun gosocket_far:dropped/1, Buried),
    Lane#lane{calls = Calls - length(Buried),
              deaths = false,
              far = gosocket_far:forget_dead(Far),
              orphans = [Id || Deaths, {Id, Entry} <- get(), is_integer(Id), not gosocket_far:is_waiting(Entry, Far)]}.

-spec listen(lane()) -> lane() | no_return().
listen(#lane{frames = Frames, liveness = Liveness, home = {Number, _}, hello = #{pid := OsPid}} = Lane) ->
    case gosocket_liveness:listen(Frames, Liveness) of
        {ping, Heard} ->
            gosocket_liveness:next_tick(),
            tell(gosocket_clock:question(Number), Lane#lane{liveness = Heard});
        dead ->
            gosocket_helper:kill(OsPid),
            gone(etimedout, Lane)
    end.

-spec gone(Reason :: term(), lane()) -> no_return().
gone(Reason, #lane{hello = #{pid := Pid}}) ->
    logger:warning("gosocket: the helper (process ~w) is gone: ~tp", [Pid, Reason]),
    exit({shutdown, Reason}).

%% The guardian has ended, or says that it is about to.
-spec unguarded(lane()) -> no_return().
unguarded(#lane{selects = Selects}) ->
    gosocket_selects:abort_all(Selects),
    exit({shutdown, unguarded}).

%% ---- Code

%% See gosocket_reload: callers leave old code when told, so does the lane.
-spec reload(module(), Loader :: pid(), lane()) -> no_return().
reload(?MODULE, Loader, Lane) ->
    Loader ! {told, self(), 1},
    gosocket_reload:leave(Loader, ?MODULE, loop, [Lane]);
reload(_Module, Loader, Lane) ->
    gosocket_reload:tell(Loader, [{Pid, Monitor} || {Id, {Pid, Monitor, _, _, _}} <- get(), is_integer(Id)]),
    drain(Lane#lane{loader = Loader}).

%% Who calls while the new code is about to become current waits in old code as well.
-spec tell_leave(entry(), lane()) -> ok.
tell_leave(_Entry, #lane{loader = undefined}) ->
    ok;
tell_leave({Pid, Monitor, _, _, _}, #lane{loader = Loader}) ->
    Pid ! {Monitor, {leave, Loader}},
    ok.
