%% @private
%% @doc Where a lane's frames go that are not on the path of every call: sockets that are new or gone, selects and
%% aborts, answers for the processes of other nodes, and of processes that have died.
-module(gosocket_lane_route).

-export([answer/4,
         give/3,
         forward/4,
         event/2]).

-include("gosocket.hrl").
-include("gosocket_lane.hrl").

%% `lent': the helper has to learn that the frame is delivered; `handback': the receiver was dead.
-type outcome() :: {sent | lent | handback, gosocket_lane:lane()}.

-include("gosocket_reload.hrl").

%% @doc The last answer to a call.
-spec answer(gosocket_lane:entry(), Frame :: binary(), Number :: pos_integer(), gosocket_lane:lane()) -> outcome().
answer({_, _, open, _, Registered} = Entry, <<?ANSWER(_), ?OK_HEAD, _/binary>> = Frame, Number, Lane) ->
    {sent, new_socket(Entry, Registered, Frame, Number, Lane)};
answer({_, _, {Access, Position}, _, Socket} = Entry, Frame, Number, #lane{settings = Settings} = Lane) ->
    gosocket_setting:answered(Access, Position, {Socket, Frame}, Settings),
    forward(Entry, Frame, Number, Lane);
answer({_, _, accept, _, _} = Entry, <<?ANSWER(_), ?OK_HEAD, _/binary>> = Frame, Number, Lane) ->
    accepted(Entry, Frame, Number, settle(Entry, Frame, Lane));
answer(Entry, Frame, Number, Lane) ->
    forward(Entry, Frame, Number, settle(Entry, Frame, Lane)).

%% @doc A frame for a caller, who is asked for first whether it lives when it is to have data.
-spec forward(gosocket_lane:entry(), Frame :: binary(), Number :: pos_integer(), gosocket_lane:lane()) -> outcome().
forward({Pid, _, read, _, Socket} = Entry, Frame, Number, #lane{selects = Selects} = Lane) ->
    case is_process_alive(Pid) of
        true -> {lent, give(Entry, Frame, Socket, Frame, Number, Lane)};
        false -> {handback, Lane#lane{selects = gosocket_selects:unsent(Selects)}}
    end;
forward({Pid, Tag, _, [], _}, Frame, _Number, Lane) ->
    Pid ! {Tag, Frame},
    {sent, Lane};
forward({Pid, Tag, _, _, _}, Frame, _Number, #lane{selects = Selects} = Lane) ->
    {sent, Lane#lane{selects = gosocket_selects:send(Pid, {Tag, Frame}, Selects)}}.

%% @doc A receive is answered with data that the lane has. Its caller lives.
-spec give(gosocket_lane:entry(), Data :: binary(), Lane) -> Lane when Lane :: gosocket_lane:lane().
give({_, _, _, _, Socket} = Entry, Data, Lane) ->
    Frame = <<?ANSWER(0), ?OK_HEAD, 109, (byte_size(Data)):32, Data/binary>>,
    give(Entry, Frame, Socket, Frame, 1, settle(Entry, Frame, Lane)).

%% A proxy tells when it has arrived; of an accept that is the accepted socket's.
-spec give(gosocket_lane:entry(), Answer :: term(), Arrives :: non_neg_integer(), binary(), pos_integer(), Lane) -> Lane when
      Lane :: gosocket_lane:lane().
give({Pid, Tag, _, [], _}, Answer, _Arrives, _Frame, _Number, Lane) when is_reference(Tag) ->
    Pid ! {Tag, Answer},
    Lane;
give({Pid, Tag, _, _, _}, Answer, _Arrives, _Frame, _Number, #lane{selects = Selects} = Lane) when is_reference(Tag) ->
    Lane#lane{selects = gosocket_selects:send(Pid, {Tag, Answer}, Selects)};
give({Proxy, Tag, _, _, Socket}, Answer, Arrives, Frame, Number, #lane{far = Far, selects = Selects} = Lane) ->
    Lane#lane{selects = gosocket_selects:send(Proxy, {Tag, Answer, Number}, Selects),
              far = gosocket_far:sent(Proxy, Number, {Socket, Arrives}, Frame, Far)}.

-spec accepted(gosocket_lane:entry(), binary(), pos_integer(), gosocket_lane:lane()) -> outcome().
accepted({Pid, _, _, _, Listener} = Entry, Frame, Number, #lane{sockets = Sockets} = Lane) ->
    Registered = case Sockets of
                     #{Listener := {_, As, _}} -> As;
                     _ -> true
                 end,
    case is_process_alive(Pid) of
        true -> {lent, new_socket(Entry, Registered, Frame, Number, Lane)};
        false -> {handback, Lane}
    end.

-spec new_socket(gosocket_lane:entry(), Registered :: boolean(), binary(), pos_integer(), Lane) -> Lane when
      Lane :: gosocket_lane:lane().
new_socket(Entry, Registered, Frame, Number, #lane{home = Home, sockets = Sockets} = Lane) ->
    {_Id, {ok, {Socket, Domain, Type, Protocol, CType}}} = binary_to_term(Frame),
    Handle = gosocket_handle:new(Home, Socket, {Domain, Type, Protocol, CType}),
    Known = Lane#lane{sockets = Sockets#{Socket => {Handle, Registered, erlang:unique_integer([monotonic])}}},
    give(Entry, {ok, {'$socket', Handle}}, Socket, Frame, Number, Known).

-spec settle(gosocket_lane:entry(), binary(), Lane) -> Lane when Lane :: gosocket_lane:lane().
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

%% @doc A frame that answers nobody.
-spec event(Event :: tuple(), Lane) -> Lane when Lane :: gosocket_lane:lane().
event({select, Socket, Process, Ref}, Lane) ->
    message(Socket, Process, Ref, {select, Ref}, Lane);
event({abort, Socket, Process, Ref, Reason}, Lane) ->
    message(Socket, Process, Ref, {abort, {Ref, Reason}}, Lane);
event({closed, Socket, {Owner, Counters}}, #lane{sockets = Sockets} = Lane) ->
    case maps:take(Socket, Sockets) of
        {{Handle, _, _}, Rest} ->
            gosocket_handle:close(Handle, Owner, Counters),
            gosocket_setting:closed(Socket, Lane#lane.settings),
            gosocket_ahead:closed(Socket),
            Lane#lane{sockets = Rest};
        error ->
            Lane
    end;
event({watch, Process}, #lane{liveness = Liveness} = Lane) ->
    Lane#lane{liveness = gosocket_liveness:watch(Process, Liveness)};
event({unwatch, Process}, #lane{liveness = Liveness} = Lane) ->
    Lane#lane{liveness = gosocket_liveness:unwatch(Process, Liveness)};
event({pong, _}, Lane) ->
    Lane;
event({clock, Before, Reading}, #lane{home = {Number, _}} = Lane) ->
    gosocket_clock:answered(Number, Before, Reading),
    Lane;
event({bad, _, _} = Bad, Lane) ->
    %% nobody can say whose calls went with the frame
    gosocket_lane_life:gone(Bad, Lane).

-spec message(non_neg_integer(), pid(), reference(), {select | abort, term()}, Lane) -> Lane when Lane :: gosocket_lane:lane().
message(Socket, Process, Ref, {Tag, Info}, #lane{sockets = Sockets, selects = Selects} = Lane) ->
    {Handle, _, _} = maps:get(Socket, Sockets),
    Lane#lane{selects = gosocket_selects:fire(Ref, Process, {'$socket', {'$socket', Handle}, Tag, Info}, Selects)}.
