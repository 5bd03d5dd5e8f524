%% @doc What SCTP has beyond the socket API: notifications in readable form, and sockets for single associations.
%%
%% A socket that has subscribed to events (option `events' or `event' of level `sctp') receives them between
%% its data. Only `gosocket:recvmsg/1..5' tells them apart, by the flag `notification':
%%
%% ```
%% {ok, #{flags := Flags, iov := [Data]}} = gosocket:recvmsg(Socket),
%% case lists:member(notification, Flags) of
%%     true -> event(gosocket_sctp:notification(Data));
%%     false -> data(Data)
%% end
%% '''
%%
%% A message, or a notification, that is longer than the buffer comes in pieces; the last one has the flag `eor'.
-module(gosocket_sctp).

-export([notification/1,
         peeloff/2]).

-export_type([notification/0]).

-include("gosocket.hrl").

-type uint16() :: gosocket:uint16().
-type uint32() :: gosocket:uint32().
-type assoc_id() :: gosocket:sctp_assoc_id().

%% The fields are those of RFC 6458, section 6.1. `flags' is 0 where that says nothing about it.
-type notification() ::
        #{type := assoc_change,
          flags := uint16(),
          state := comm_up | comm_lost | restart | shutdown_comp | cant_str_assoc | uint16(),
          error := uint16(),
          outbound_streams := uint16(),
          inbound_streams := uint16(),
          assoc_id := assoc_id(),
          info := binary()}
      | #{type := peer_addr_change,
          flags := uint16(),
          aaddr := gosocket:sockaddr() | undefined,
          state := available | unreachable | removed | added | made_prim | confirmed | potentially_failed | uint32(),
          error := integer(),
          assoc_id := assoc_id()}
      | #{type := send_failed,
          flags := data_unsent | data_sent | uint16(),
          error := uint32(),
          info := gosocket:sctp_sndrcvinfo(),
          assoc_id := assoc_id(),
          data := binary()}
      | #{type := send_failed_event,
          flags := data_unsent | data_sent | uint16(),
          error := uint32(),
          info := #{sid := uint16(), flags := uint16(), ppid := uint32(), context := uint32(), assoc_id := assoc_id()},
          assoc_id := assoc_id(),
          data := binary()}
      | #{type := remote_error,
          flags := uint16(),
          error := uint16(),
          assoc_id := assoc_id(),
          data := binary()}
      | #{type := shutdown_event | sender_dry_event,
          flags := uint16(),
          assoc_id := assoc_id()}
      | #{type := partial_delivery_event,
          flags := uint16(),
          indication := aborted | uint32(),
          assoc_id := assoc_id(),
          stream := uint32(),
          seq := uint32()}
      | #{type := adaptation_indication,
          flags := uint16(),
          adaptation_ind := uint32(),
          assoc_id := assoc_id()}
      | #{type := authentication_event,
          flags := uint16(),
          keynumber := uint16(),
          altkeynumber := uint16(),
          indication := new_key | free_key | no_auth | uint32(),
          assoc_id := assoc_id()}
      | #{type := stream_reset_event,
          flags := uint16(),
          assoc_id := assoc_id(),
          stream_list := [uint16()]}
      | #{type := assoc_reset_event,
          flags := uint16(),
          assoc_id := assoc_id(),
          local_tsn := uint32(),
          remote_tsn := uint32()}
      | #{type := stream_change_event,
          flags := uint16(),
          assoc_id := assoc_id(),
          instrms := uint16(),
          outstrms := uint16()}
      | #{type := uint16(),
          flags := uint16(),
          data := binary()}.

%% @doc The data of a message with the flag `notification', all of it, as a map. One of a type that is not
%% known here has the number of its type, and the bytes behind the common head. Fails with `badarg' when the
%% binary is no notification.
-spec notification(binary()) -> notification().
notification(<<Type:16/native, Flags:16/native, Length:32/native, Rest/binary>> = All) when Length =:= byte_size(All) ->
    body(Type, Flags, Rest);
notification(All) ->
    erlang:error(badarg, [All]).

-spec body(uint16(), uint16(), binary()) -> notification().
body(16#8001, Flags, <<State:16/native, Error:16/big, Out:16/native, In:16/native, Id:32/native-signed, Info/binary>>) ->
    #{type => assoc_change, flags => Flags,
      state => name(State, [comm_up, comm_lost, restart, shutdown_comp, cant_str_assoc]), error => Error,
      outbound_streams => Out, inbound_streams => In, assoc_id => Id, info => Info};
body(16#8002, Flags, <<Address:128/binary, State:32/native, Error:32/native-signed, Id:32/native-signed>>) ->
    #{type => peer_addr_change, flags => Flags, aaddr => address(Address),
      state => name(State, [available, unreachable, removed, added, made_prim, confirmed, potentially_failed]),
      error => Error, assoc_id => Id};
body(16#8003, Flags, <<Error:32/native, Info:32/binary, Id:32/native-signed, Data/binary>>) ->
    #{type => send_failed, flags => name(Flags, [data_unsent, data_sent]), error => Error, info => sndrcvinfo(Info),
      assoc_id => Id, data => Data};
body(16#800d, Flags, <<Error:32/native, Info:16/binary, Id:32/native-signed, Data/binary>>) ->
    #{type => send_failed_event, flags => name(Flags, [data_unsent, data_sent]), error => Error, info => sndinfo(Info),
      assoc_id => Id, data => Data};
body(16#8004, Flags, <<Error:16/big, _:16, Id:32/native-signed, Data/binary>>) ->
    #{type => remote_error, flags => Flags, error => Error, assoc_id => Id, data => Data};
body(16#8005, Flags, <<Id:32/native-signed>>) ->
    #{type => shutdown_event, flags => Flags, assoc_id => Id};
body(16#8006, Flags, <<Indication:32/native, Id:32/native-signed, Stream:32/native, Seq:32/native>>) ->
    #{type => partial_delivery_event, flags => Flags, indication => name(Indication, [aborted]), assoc_id => Id,
      stream => Stream, seq => Seq};
body(16#8007, Flags, <<Indication:32/native, Id:32/native-signed>>) ->
    #{type => adaptation_indication, flags => Flags, adaptation_ind => Indication, assoc_id => Id};
body(16#8008, Flags, <<Key:16/native, Other:16/native, Indication:32/native, Id:32/native-signed>>) ->
    #{type => authentication_event, flags => Flags, keynumber => Key, altkeynumber => Other,
      indication => name(Indication, [new_key, free_key, no_auth]), assoc_id => Id};
body(16#8009, Flags, <<Id:32/native-signed>>) ->
    #{type => sender_dry_event, flags => Flags, assoc_id => Id};
body(16#800a, Flags, <<Id:32/native-signed, Streams/binary>>) ->
    #{type => stream_reset_event, flags => Flags, assoc_id => Id, stream_list => [N || <<N:16/native>> <= Streams]};
body(16#800b, Flags, <<Id:32/native-signed, Local:32/native, Remote:32/native>>) ->
    #{type => assoc_reset_event, flags => Flags, assoc_id => Id, local_tsn => Local, remote_tsn => Remote};
body(16#800c, Flags, <<Id:32/native-signed, In:16/native, Out:16/native>>) ->
    #{type => stream_change_event, flags => Flags, assoc_id => Id, instrms => In, outstrms => Out};
body(Type, Flags, Data) ->
    #{type => Type, flags => Flags, data => Data}.

%% Numbers from 0 on have these names; further ones stay what they are.
-spec name(non_neg_integer(), [atom()]) -> atom() | non_neg_integer().
name(N, Names) when N < length(Names) -> lists:nth(N + 1, Names);
name(N, _) -> N.

%% struct sockaddr_storage
-spec address(binary()) -> gosocket:sockaddr() | undefined.
address(<<2:16/native, Port:16/big, A, B, C, D, _/binary>>) ->
    #{family => inet, port => Port, addr => {A, B, C, D}};
address(<<10:16/native, Port:16/big, Flow:32/native, Words:16/binary, Scope:32/native, _/binary>>) ->
    #{family => inet6, port => Port, flowinfo => Flow, scope_id => Scope,
      addr => list_to_tuple([Word || <<Word:16/big>> <= Words])};
address(_) ->
    undefined.

-spec sndrcvinfo(binary()) -> gosocket:sctp_sndrcvinfo().
sndrcvinfo(<<Stream:16/native, Ssn:16/native, Flags:16/native, _:16, Ppid:32/native, Context:32/native, Ttl:32/native,
             Tsn:32/native, Cumtsn:32/native, Id:32/native-signed>>) ->
    #{stream => Stream, ssn => Ssn, flags => Flags, ppid => Ppid, context => Context, timetolive => Ttl, tsn => Tsn,
      cumtsn => Cumtsn, assoc_id => Id}.

-spec sndinfo(binary()) -> #{atom() => integer()}.
sndinfo(<<Sid:16/native, Flags:16/native, Ppid:32/native, Context:32/native, Id:32/native-signed>>) ->
    #{sid => Sid, flags => Flags, ppid => Ppid, context => Context, assoc_id => Id}.

%% @doc Takes an association out of a one-to-many socket: a socket of its own, which has that one peer and
%% belongs to the caller. Fails with `einval' when the socket has no such association, and with `enotsup' for
%% a socket of another node.
-spec peeloff(gosocket:socket(), assoc_id()) -> {ok, gosocket:socket()} | {error, gosocket:errcode() | closed}.
peeloff({'$socket', S}, Id) when is_reference(S), node(S) =/= node(), is_integer(Id) ->
    {error, enotsup};
peeloff({'$socket', S} = Socket, Id) when is_reference(S), is_integer(Id) ->
    case gosocket:getopt(Socket, sctp, {peeloff, #{assoc_id => Id}}) of
        {ok, FD} -> opened(gosocket:open(FD, #{dup => false, lane => Socket}), Socket, FD);
        {error, Reason} -> {error, Reason}
    end;
peeloff(Socket, Id) ->
    erlang:error(badarg, [Socket, Id]).

%% A descriptor that may not become a socket is not kept.
-spec opened(Result, gosocket:socket(), FD :: integer()) -> Result when Result :: {ok, gosocket:socket()} | {error, gosocket:errcode() | closed}.
opened({ok, _} = Opened, _Socket, _FD) ->
    Opened;
opened(Failed, Socket, FD) ->
    _ = gosocket:close_fd(Socket, FD),
    Failed.
